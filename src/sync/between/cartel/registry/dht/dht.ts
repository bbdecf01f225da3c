/**
 * The metadata service over the sites themselves: a distributed hash table after Kademlia (Maymounkov and Mazières,
 * "Kademlia: A peer-to-peer information system based on the XOR metric", IPTPS 2002). No node is special; each knows a
 * few others at every distance, and every answer teaches it more.
 *
 * A record stands under a key for each class that its node knows and one for its three most frequent classes, at the
 * k nodes closest to the key. Its own node tells it again every `republish`, by which it reaches nodes that have come
 * since, and it is gone when that stops. Unlike in the paper, holders never hand records on: so a node accepts records
 * from the node that they are of, and from nobody else. All messages are lossy; a lookup bears silence.
 */
import type { NodeId } from "../../../../../core/ids.ts";
import type { Random } from "../../../../../core/random.ts";
import type { Scope } from "../../../../../core/scope.ts";
import type { Micros } from "../../../../../core/units.ts";
import type { World } from "../../../../../world/contract.ts";
import { type Message, messageKind } from "../../../../../world/message.ts";
import { holdsWithin } from "../../wait.ts";
import { queryOf, recordsIn, refusals } from "../central.ts";
import type { Registry, RegistryQuery, RegistryTerms, SiteRecord } from "../contract.ts";
import { encodeRecord } from "../record.ts";
import { answerOf, RecordTable } from "../table.ts";
import { type Contact, contactOf, type Key, keyOf } from "./key.ts";
import { RoutingTable } from "./routing.ts";
import { Shortlist } from "./shortlist.ts";

/** `{ id, key }`, and `{ classes, limit }` where records under the key are wanted. */
export const FIND = messageKind("dht.find", "control", "metadata", { lossy: true });
/** `{ id, contacts }`: the closest that the node knows; each part of the payload is a record. */
export const FOUND = messageKind("dht.found", "control", "metadata", { lossy: true });
/** `{ id, keys }` and the sender's own record, to be kept under each of them. */
export const STORE = messageKind("dht.store", "control", "metadata", { lossy: true });
/** `{ id }`: so that the teller learns which keepers are gone. */
const STORED = messageKind("dht.stored", "control", "metadata", { lossy: true });

export interface DhtTerms extends RegistryTerms {
  /** k: contacts of a bucket, and nodes that keep a record. */
  readonly replicas: number;
  /** alpha: questions of a lookup that are under way at once. */
  readonly parallel: number;
  /** A node that has not answered within this has failed. */
  readonly patience: Micros;
  /** A record is told again, and the routing table refreshed, every so often. */
  readonly republish: Micros;
  /** Nodes that this one knows from the start. */
  readonly seeds: readonly NodeId[];
}

/** A lookup of values may end once so many nodes have handed out records: one of them may lie. */
const HOLDERS = 2;
const SEPARATOR = "\n";
/** No message stores under more keys than this, nor names more contacts. */
const MOST_NAMED = 256;
/** No node keeps more keys. */
const MOST_KEYS = 4096;
/** A question looks under no more keys. */
const MOST_ASKED = 8;

/** Under which names a record stands: each class that the node knows, and its three most frequent ones together. */
export function namesOf({ classCounts }: SiteRecord): string[] {
  const known = [...classCounts.keys()].filter((c) => classCounts[c]! > 0);
  const frequent = known.sort((a, b) => classCounts[b]! - classCounts[a]! || a - b).slice(0, 3);
  return [...known.sort((a, b) => a - b).map((c) => `class ${c}`), mixtureName(frequent)];
}

export const mixtureName = (classes: readonly number[]): string =>
  `classes ${[...classes].sort((a, b) => a - b).join(" ")}`;

/** A question that waits for its answer. */
interface Call {
  readonly contact: Contact;
  readonly due: Micros;
  readonly lookup: Lookup;
}

interface Lookup {
  readonly list: Shortlist;
  readonly target: Key;
  readonly query: RegistryQuery | undefined;
  readonly found: SiteRecord[];
  holders: number;
  /** Counts what has changed, for who waits. */
  turns: number;
}

export class Dht implements Registry {
  readonly #world: World;
  readonly #terms: DhtTerms;
  readonly #random: Random;
  readonly #table: RoutingTable;
  readonly #stored = new Map<string, RecordTable>();
  readonly #calls = new Map<number, Call>();
  /** Keepers that have not yet said that they have what they were told last. */
  readonly #untold = new Map<NodeId, number>();
  /** The nodes closest to the keys of this node's record, as the last lookups found them. */
  readonly #homes = new Map<
    string,
    { readonly contacts: readonly Contact[]; readonly at: Micros }
  >();
  readonly #changed;
  readonly #refuse: () => void;
  #lastCall = 0;
  #record: SiteRecord | undefined;
  /** Grows with every wish to tell the record; the teller works until it has caught up. */
  #wished = 0;

  /** @param scope owns the tasks that run beside: telling and refreshing. */
  constructor(world: World, terms: DhtTerms, scope: Scope) {
    this.#world = world;
    this.#terms = terms;
    this.#random = world.random.stream("dht");
    this.#table = new RoutingTable(keyOf(world.node.id), terms.replicas);
    this.#changed = world.condition();
    this.#refuse = refusals(world);
    const { network } = world;
    network.handle(FIND, (message, from) => this.#onFind(message, from));
    network.handle(FOUND, (message, from) => this.#onFound(message, from));
    network.handle(STORE, (message, from) => this.#onStore(message, from));
    network.handle(STORED, (message, from) => this.#onStored(message, from));
    scope.spawn((task) => this.#tell(task));
    scope.spawn((task) => this.#refresh(task));
  }

  publish(record: SiteRecord): void {
    this.#record = record;
    this.#wished++;
    this.#changed.notify();
  }

  async query(
    query: RegistryQuery,
    deadline: Micros,
    scope: Scope,
  ): Promise<readonly SiteRecord[]> {
    const asked = query.classes.slice(0, MOST_ASKED);
    const names = asked.map((c) => `class ${c}`);
    if (asked.length >= 3) names.push(mixtureName(asked.slice(0, 3)));
    const lookups = names.map((name) => this.#lookUp(keyOf(name), query, deadline, scope));
    const found = (await Promise.all(lookups)).flatMap((lookup) => lookup.found);
    return answerOf(found, query, this.#world.node.id);
  }

  /** Contacts that this node knows. */
  get contacts(): number {
    return this.#table.size;
  }

  async #lookUp(
    target: Key,
    query: RegistryQuery | undefined,
    deadline: Micros,
    scope: Scope,
  ): Promise<Lookup> {
    const { replicas, parallel, patience } = this.#terms;
    const { clock, network } = this.#world;
    // Everybody was silent, as behind a partition: who was known from the start may be there again.
    if (this.#table.size === 0)
      for (const seed of this.#terms.seeds) this.#table.heard(contactOf(seed));
    const seeds = this.#table.closest(target, replicas);
    const list = new Shortlist(target, replicas, parallel, seeds);
    const lookup: Lookup = { list, target, query, found: [], holders: 0, turns: 0 };
    const own = query && this.#stored.get(nameOf(target));
    if (own) this.#read(lookup, own.select(query, this.#world.node.id, clock.now()), false);
    const until = clock.now() + deadline;
    const over = (): boolean => list.done || lookup.holders >= HOLDERS;
    const asked: number[] = [];
    while (!over() && clock.now() < until) {
      for (const contact of list.next()) {
        const id = ++this.#lastCall;
        asked.push(id);
        this.#calls.set(id, { contact, lookup, due: clock.now() + patience });
        const wanted = query ? { classes: query.classes, limit: query.limit } : {};
        network.send(contact.node, FIND, { id, key: [target.high, target.low], ...wanted });
      }
      const before = lookup.turns;
      const due = asked.map((id) => this.#calls.get(id)?.due ?? until);
      const wait = Math.max(0, Math.min(until, ...due) - clock.now());
      const reason = { what: "answers to a lookup" };
      await holdsWithin(
        this.#world,
        this.#changed,
        () => lookup.turns > before,
        wait,
        reason,
        scope,
      );
      this.#giveUp(asked);
    }
    for (const id of asked) this.#calls.delete(id);
    return lookup;
  }

  /** Questions that are overdue have failed. */
  #giveUp(asked: readonly number[]): void {
    for (const id of asked) {
      const call = this.#calls.get(id);
      if (!call || call.due > this.#world.clock.now()) continue;
      this.#calls.delete(id);
      call.lookup.list.failed(call.contact);
      this.#table.failed(call.contact);
    }
  }

  #onFind({ header, ...message }: Message, from: NodeId): void {
    this.#table.heard(contactOf(from));
    const key = header["key"];
    if (!Array.isArray(key)) return;
    const target: Key = { high: Number(key[0]) >>> 0, low: Number(key[1]) >>> 0 };
    const { clock, network } = this.#world;
    const query = queryOf({ header, ...message });
    const table = query && this.#stored.get(nameOf(target));
    const records = table?.select(query!, from, clock.now()) ?? [];
    const contacts = this.#table
      .closest(target, this.#terms.replicas + 1)
      .filter(({ node }) => node !== from)
      .map(({ node }) => node)
      .slice(0, this.#terms.replicas);
    const id = Number(header["id"]);
    network.send(from, FOUND, { id, contacts: contacts.join(SEPARATOR) }, records);
  }

  #onFound(message: Message, from: NodeId): void {
    const id = Number(message.header["id"]);
    const call = this.#calls.get(id);
    if (!call || call.contact.node !== from) return;
    this.#calls.delete(id);
    this.#table.heard(call.contact);
    const { lookup } = call;
    lookup.list.answered(call.contact);
    const named = String(message.header["contacts"]).split(SEPARATOR, MOST_NAMED);
    const others = (named as NodeId[]).filter(
      (node) => this.#terms.nodes.has(node) && node !== this.#world.node.id,
    );
    lookup.list.learn(others.map(contactOf));
    if (lookup.query) this.#read(lookup, message.payload, true, message);
    lookup.turns++;
    this.#changed.notify();
  }

  #read(lookup: Lookup, payload: Message["payload"], holder: boolean, message?: Message): void {
    const expected = { ...this.#terms, now: this.#world.clock.now() };
    const kind = message?.kind ?? FOUND;
    const records = recordsIn({ kind, header: {}, payload }, expected, this.#refuse);
    lookup.found.push(...records.map(({ record }) => record));
    if (holder && records.length > 0) lookup.holders++;
  }

  #onStore(message: Message, from: NodeId): void {
    this.#table.heard(contactOf(from));
    const { clock, network } = this.#world;
    const { ttl } = this.#terms;
    const keys = message.header["keys"];
    if (!Array.isArray(keys) || keys.length > 2 * MOST_NAMED) return;
    const expected = { ...this.#terms, now: clock.now(), from };
    network.send(from, STORED, { id: Number(message.header["id"]) });
    for (const { record, bytes } of recordsIn(message, expected, this.#refuse))
      for (let i = 0; i + 1 < keys.length; i += 2) {
        const name = nameOf({ high: Number(keys[i]) >>> 0, low: Number(keys[i + 1]) >>> 0 });
        let table = this.#stored.get(name);
        if (!table && this.#stored.size >= MOST_KEYS) continue;
        if (!table) this.#stored.set(name, (table = new RecordTable(ttl)));
        table.put(record, bytes, clock.now());
      }
  }

  #onStored(message: Message, from: NodeId): void {
    if (this.#untold.get(from) !== Number(message.header["id"])) return;
    this.#untold.delete(from);
    this.#changed.notify();
  }

  /** Tells the newest record whenever somebody wishes it. Where keepers are gone, others are found and told. */
  async #tell(scope: Scope): Promise<void> {
    const wish = { what: "a record to tell" };
    const word = { what: "the keepers of a record", whom: () => [...this.#untold.keys()] };
    for (let done = 0; ; ) {
      await this.#changed.until(() => this.#wished > done, wish, scope);
      done = this.#wished;
      for (let attempt = 0; attempt < 2 && this.#record; attempt++) {
        this.#store(this.#record, await this.#keepers(this.#record, scope));
        const told = (): boolean => this.#untold.size === 0;
        if (await holdsWithin(this.#world, this.#changed, told, this.#terms.patience, word, scope))
          break;
        this.#forgetUntold();
      }
    }
  }

  #store(record: SiteRecord, keepers: ReadonlyMap<NodeId, readonly number[]>): void {
    const bytes = encodeRecord(record);
    for (const [node, keys] of keepers) {
      const id = ++this.#lastCall;
      this.#untold.set(node, id);
      this.#world.network.send(node, STORE, { id, keys }, [bytes]);
    }
  }

  /** Keepers that are silent have failed: their keys are looked up anew. */
  #forgetUntold(): void {
    for (const node of this.#untold.keys()) {
      this.#table.failed(contactOf(node));
      for (const [name, { contacts }] of this.#homes)
        if (contacts.some((contact) => contact.node === node)) this.#homes.delete(name);
    }
    this.#untold.clear();
  }

  /** For each node that is to keep the record: the keys under which, high and low parts in turns. */
  async #keepers(
    record: SiteRecord,
    scope: Scope,
  ): Promise<ReadonlyMap<NodeId, readonly number[]>> {
    const { clock } = this.#world;
    const { ttl } = this.#terms;
    const keepers = new Map<NodeId, number[]>();
    for (const name of namesOf(record)) {
      const key = keyOf(name);
      let home = this.#homes.get(name);
      if (!home || clock.now() - home.at >= ttl) {
        const { list } = await this.#lookUp(key, undefined, ttl, scope);
        home = { contacts: list.closest(), at: clock.now() };
        this.#homes.set(name, home);
      }
      for (const { node } of home.contacts) {
        const keys = keepers.get(node) ?? [];
        keepers.set(node, [...keys, key.high, key.low]);
      }
    }
    return keepers;
  }

  /** Finds this node's own neighbourhood, then looks for random keys from time to time, and tells its record again. */
  async #refresh(scope: Scope): Promise<void> {
    const { clock, node } = this.#world;
    const { republish } = this.#terms;
    await this.#lookUp(keyOf(node.id), undefined, republish, scope);
    for (;;) {
      // Not all at once, though all may have started at once.
      await clock.sleep(Math.round(republish * (0.75 + 0.5 * this.#random.next())), scope);
      const key = { high: this.#random.integer(2 ** 32), low: this.#random.integer(2 ** 32) };
      await this.#lookUp(key, undefined, republish, scope);
      if (!this.#record) continue;
      this.#wished++;
      this.#changed.notify();
    }
  }
}

const nameOf = ({ high, low }: Key): string => `${high}:${low}`;
