/**
 * Mirrors of a shard that leave and join in mid-run, beside what gaia.ts and shard.ts do all the time.
 *
 * Who leaves is taken out of mirror clocks, barriers and channels; where it was a router, those who got something through
 * it turn to the next one, say what they have of the group, and are sent what they lack. Who joins asks one mirror for the
 * live copy (see handover.ts) and enters at a clock boundary: an exact one at that at which the copy was cut, others at
 * the latest mirror's clock. What is late for an earlier incarnation, or is in the copy, is not taken.
 */
import type { Update } from "../../../codec/update.ts";
import type { NodeId, SiteId } from "../../../core/ids.ts";
import type { MemberChange } from "../../../world/members.ts";
import type { Message } from "../../../world/message.ts";
import { siteOf } from "../../contract.ts";
import type { Source } from "./barrier.ts";
import { Batch } from "./channel.ts";
import { groupName } from "./clocks.ts";
import { Entry, type Held, incarnationOf, type Queue } from "./entry.ts";
import { Handover } from "./handover.ts";
import { ASK, ATTACH, BEGIN, COPY, ENTERED, ENTERS, MARK, OPEN, OPENED } from "./messages.ts";
import type { GaiaShard } from "./shard.ts";

/** A new way to a group: what comes before the word that opens it is in the difference, or someone else's. */
interface Way {
  readonly ticket: number;
  bulk: boolean;
  control: boolean;
}

export class Changes {
  readonly #gaia: GaiaShard;
  /** Present until the live copy is in. */
  #entry: Entry | undefined;
  /** Exact: the first clocks, which are in the copy, by the site that they come from. */
  #inCopy: { readonly clock: number; readonly giver: string; readonly own: number } | undefined;
  /** Copies that are being given, by joiner. */
  readonly #handovers = new Map<string, Handover>();
  /** The latest ticket of each joiner. */
  readonly #tickets = new Map<string, number>();
  readonly #ways = new Map<number, Way>();
  /** Words that came before the news of the joiner that they are about. */
  #strange: Held[] = [];
  /** Requests that come while this one joins itself. */
  #later: (() => void)[] = [];
  /** Exact: joiners that began while this one joined, and have not entered. */
  readonly #beside = new Set<string>();
  #attaches = 0;

  constructor(gaia: GaiaShard, joins: boolean) {
    this.#gaia = gaia;
    const { network, members, node } = gaia.shard.world;
    network.handle(ASK, (message, from) => this.#asked(message, from));
    network.handle(BEGIN, (message, from) => this.#begun(message, from));
    network.handle(MARK, (message, from) => this.#marked(message, from));
    network.handle(OPEN, (message, from) => this.#opened(message, from, "bulk"));
    network.handle(OPENED, (message, from) => this.#opened(message, from, "control"));
    network.handle(COPY, (message) => this.#copied(message));
    network.handle(ENTERS, ({ header }) =>
      this.#enters(header["site"] as string, header["clock"] as number),
    );
    network.handle(ENTERED, ({ header }, from) => {
      this.#beside.delete(siteOf(from));
      this.#enters(siteOf(from), header["clock"] as number);
    });
    network.handle(ATTACH, (message, from) => this.#attach(message, from));
    members.watch((change) => this.#member(change));
    if (!joins) return;
    this.#entry = new Entry(members.incarnation(node.id), gaia.circle.givers());
    this.#ask();
  }

  get joining(): boolean {
    return this.#entry !== undefined;
  }

  /** Whether what comes on a queue comes by the way that its group now takes. */
  takes({ site, group }: Source, queue: Queue): boolean {
    if (group === this.#gaia.circle.group) return true;
    const way = this.#ways.get(group);
    return this.#gaia.circle.speaks(site, group) && (way === undefined || way[queue]);
  }

  /** While the live copy is on its way, updates and their indexes wait for it. */
  holds(message: Message, from: NodeId): boolean {
    this.#entry?.held.push({ message, from });
    return this.#entry !== undefined;
  }

  /** Exact: whether an update of a peer came with the copy. */
  inCopy({ site, group }: Source, clock: number): boolean {
    const copy = this.#inCopy;
    if (!copy || group !== this.#gaia.circle.group) return false;
    return clock <= (site === copy.giver ? copy.own : copy.clock);
  }

  /** An update was taken; copies that are being given may need it. */
  came({ site, group }: Source, update: Update): void {
    if (group !== this.#gaia.circle.group) return;
    for (const handover of this.#handovers.values())
      handover.add(site, group, update, this.#gaia.shard.world.kernels);
  }

  /** Exact: the values are those of a clock boundary. */
  atBoundary(): void {
    for (const [site, handover] of this.#handovers) {
      if (!handover.exact) continue;
      this.#cut(handover);
      this.#settle(site);
    }
  }

  #member({ node, present }: MemberChange): void {
    const gaia = this.#gaia;
    const { circle, shard } = gaia;
    const domain = shard.domains.find(({ owners }) => owners[shard.owner.shard]?.node.id === node);
    if (!domain || node === shard.world.node.id) return;
    const site = domain.id;
    if (!present) this.#left(site);
    const strange = this.#strange;
    this.#strange = [];
    for (const { message, from } of strange) this.#begun(message, from);
    if (!this.#entry) this.#reroute();
    if (present) return;
    for (const [joiner, handover] of this.#handovers) {
      handover.left(site);
      this.#settle(joiner);
    }
    if (this.#entry?.left(site)) this.#ask();
    this.#tryEnter();
    if (!this.#entry && circle) gaia.resume();
  }

  /** Nothing more comes from a site, and nothing goes there. */
  #left(site: string): void {
    const { circle, clocks } = this.#gaia;
    circle.leave(site);
    clocks.leave(site);
    this.#gaia.forget(site, undefined);
    this.#handovers.delete(site);
    this.#beside.delete(site);
  }

  /** Turns to whoever speaks for other groups now. */
  #reroute(): void {
    const { circle, clocks, totals, shard } = this.#gaia;
    for (const { group, before, now } of circle.reroute()) {
      if (before !== undefined) this.#gaia.forget(before, group);
      if (now === undefined) {
        clocks.leave(groupName(group));
        this.#ways.delete(group);
        continue;
      }
      const ticket = ++this.#attaches;
      this.#ways.set(group, { ticket, bulk: false, control: false });
      shard.world.network.send(circle.node(now), ATTACH, { group, ticket }, [
        totals.snapshot(group),
      ]);
    }
  }

  /** Somebody gets what comes from a group (often this one) through this site: at once what it lacks, then the rest. */
  #attach(message: Message, from: NodeId): void {
    if (this.#entry) {
      this.#later.push(() => this.#attach(message, from));
      return;
    }
    const gaia = this.#gaia;
    const { circle, clocks, totals, shard, lockstep } = gaia;
    const site = siteOf(from) as SiteId;
    if (circle.presence(site) === undefined) return;
    const { group, ticket } = message.header as Record<string, number>;
    const mine = group === circle.group;
    if (mine) gaia.beginForwarding();
    const known = clocks.mirror(groupName(group as number));
    const clock = mine ? gaia.forwarded : (known?.delivered ?? 0);
    const channel = circle.attach(site, group as number);
    const entered = mine || known ? 1 : 0;
    this.#open(from, { group: group as number, ticket: ticket as number, clock, entered });
    const lacking = totals.lacking(group as number, message.payload[0] as Float32Array);
    if (mine && lockstep) {
      for (const update of gaia.ungathered) new Batch(update, lacking.length).subtractFrom(lacking);
    }
    channel.send(new Batch({ format: "dense", values: lacking }, shard.values.length), clock);
    gaia.resume();
  }

  #open(to: NodeId, header: Record<string, number>): void {
    const { network } = this.#gaia.shard.world;
    network.send(to, OPENED, header);
    network.send(to, OPEN, header);
  }

  /** Asks the nearest mirror for its copy; where nobody is left, the first values are all there is. */
  #ask(): void {
    const entry = this.#entry as Entry;
    const { circle, shard, barrier } = this.#gaia;
    barrier.clear();
    if (entry.next()) {
      const giver = circle.node(entry.giver as SiteId);
      shard.world.network.send(giver, ASK, { ticket: entry.ticket });
      return;
    }
    const { start, end } = shard.owner.range;
    this.#finish(0, { values: shard.training.initial.slice(start, end), totals: [] });
  }

  /** A joiner wants this shard's copy. */
  #asked(message: Message, from: NodeId): void {
    if (this.#entry) {
      this.#later.push(() => this.#asked(message, from));
      return;
    }
    const { circle, clock, boundary, shard } = this.#gaia;
    const site = siteOf(from) as SiteId;
    const ticket = message.header["ticket"] as number;
    if (circle.presence(site) !== incarnationOf(ticket)) return;
    const mate = circle.groupOf(site) === circle.group;
    const exact = mate && this.#gaia.exact;
    const peers = mate
      ? circle.peers.map((channel) => channel.site).filter((one) => one !== site)
      : [];
    if (mate) this.#begin(site, ticket);
    const handover = new Handover(
      { ticket, exact },
      mate ? [...peers, shard.world.node.site] : [],
      clock,
    );
    handover.awaited.delete(shard.world.node.site);
    this.#handovers.set(site, handover);
    if (!exact || boundary === clock) this.#cut(handover);
    for (const peer of peers) this.#bid(peer, site, ticket);
    this.#settle(site);
  }

  #bid(peer: string, site: string, ticket: number): void {
    const { circle, shard } = this.#gaia;
    shard.world.network.send(circle.node(peer as SiteId), BEGIN, { site, ticket });
  }

  #cut(handover: Handover): void {
    handover.copy = { ...this.#gaia.copy(handover.exact), boundary: this.#gaia.boundary };
  }

  /** A peer gives a joiner its copy, which is to hold nothing that this shard sends the joiner itself. */
  #begun(message: Message, from: NodeId): void {
    const { circle, shard } = this.#gaia;
    const { site, ticket } = message.header as { readonly site: SiteId; readonly ticket: number };
    const { members, network } = shard.world;
    const node = circle.node(site);
    if (members.incarnation(node) < incarnationOf(ticket)) {
      this.#strange.push({ message, from });
      return;
    }
    if (circle.presence(site) !== incarnationOf(ticket)) return;
    if (ticket > (this.#tickets.get(site) ?? 0)) this.#begin(site, ticket);
    const header = { site, ticket, clock: this.#clock };
    const channel = circle.peer(siteOf(from));
    if (channel) channel.mark(header);
    else network.send(from, MARK, header);
  }

  /** What this shard has finished; a joiner has finished nothing. */
  get #clock(): number {
    return this.#entry ? 0 : this.#gaia.clock;
  }

  /** From now on the joiner hears from this shard itself. */
  #begin(site: SiteId, ticket: number): void {
    const { circle, clocks, exact } = this.#gaia;
    this.#tickets.set(site, ticket);
    const channel = circle.open(site);
    const entered = this.#entry ? 0 : 1;
    this.#open(channel.to, { group: circle.group, ticket, clock: this.#clock, entered });
    if (exact && this.#entry) this.#beside.add(site);
    else if (exact) clocks.enter(site, this.#clock);
    for (const [joiner, handover] of this.#handovers) {
      if (joiner === site || circle.groupOf(joiner as SiteId) !== circle.group) continue;
      handover.await(site);
      this.#bid(site, joiner, handover.ticket);
    }
  }

  #marked({ header }: Message, from: NodeId): void {
    const { site, ticket, clock } = header as Record<string, number> & { readonly site: string };
    const handover = this.#handovers.get(site);
    if (!handover || handover.ticket !== ticket) return;
    handover.marked(siteOf(from), clock as number);
    this.#settle(site);
  }

  /** Sends the copy when its cut is known. */
  #settle(site: string): void {
    const handover = this.#handovers.get(site);
    if (!handover || handover.awaited.size > 0) return;
    const { circle, shard } = this.#gaia;
    const { network } = shard.world;
    const { exact } = handover;
    const mate = circle.groupOf(site as SiteId) === circle.group;
    if (exact && !handover.told) {
      handover.told = true;
      const header = { site, clock: handover.clock };
      if (mate) {
        for (const { to } of circle.peers) network.send(to, ENTERS, header);
        this.#enters(site, handover.clock);
      }
    }
    const { copy } = handover;
    if (!copy || (exact && copy.boundary !== handover.clock)) return;
    if (!this.#handovers.delete(site)) return;
    const sites = [...handover.sites].join(",");
    const { ticket, clock } = handover;
    const header = { ticket, clock, own: copy.own, exact: exact ? 1 : 0, sites };
    network.send(circle.node(site as SiteId), COPY, header, [copy.values, ...copy.totals]);
  }

  /** A mirror speaks to this one from here on; or the new way to a group is open. */
  #opened({ header }: Message, from: NodeId, queue: Queue): void {
    const { circle, clocks } = this.#gaia;
    const { group, ticket, clock, entered } = header as Record<string, number>;
    const site = siteOf(from) as SiteId;
    if (group !== circle.group) {
      const way = this.#ways.get(group as number);
      if (!way || way.ticket !== ticket || !circle.speaks(site, group as number)) return;
      way[queue] = true;
      if (queue === "control" && entered === 1)
        clocks.enter(groupName(group as number), clock as number);
      return;
    }
    const entry = this.#entry;
    if (!entry || entry.ticket !== ticket) return;
    entry.opened(site, queue);
    if (queue === "control" && entered === 1) clocks.enter(site, clock as number);
    if (!circle.peer(site)) circle.open(site);
    this.#tryEnter();
  }

  #copied(message: Message): void {
    if (this.#entry?.ticket !== message.header["ticket"]) return;
    (this.#entry as Entry).copy = message;
    this.#tryEnter();
  }

  #tryEnter(): void {
    const entry = this.#entry;
    const { circle, clocks } = this.#gaia;
    if (!entry?.ready((site) => circle.presence(site as SiteId) !== undefined)) return;
    const { header, payload } = entry.copy as Message;
    const { clock, own, exact } = header as Record<string, number>;
    const [values, ...totals] = payload as readonly Float32Array[];
    if (exact === 1) {
      this.#inCopy = { clock: clock as number, giver: entry.giver as string, own: own as number };
    }
    const first = exact === 1 ? (clock as number) : clocks.latest(clock as number);
    this.#finish(first, { values: values as Float32Array, totals });
  }

  #finish(
    clock: number,
    copy: { readonly values: Float32Array; readonly totals: readonly Float32Array[] },
  ): void {
    const gaia = this.#gaia;
    const { circle, clocks, exact, shard } = gaia;
    const { held } = this.#entry as Entry;
    gaia.enter(clock, copy);
    this.#entry = undefined;
    for (const { to } of circle.peers) shard.world.network.send(to, ENTERED, { clock });
    if (exact) {
      for (const { site } of circle.peers) if (clocks.mirror(site)) clocks.enter(site, clock);
      for (const site of this.#beside) clocks.enter(site, clock);
    }
    this.#reroute();
    for (const { message, from } of held) gaia.receive(message, from);
    const later = this.#later;
    this.#later = [];
    for (const request of later) request();
    gaia.resume();
  }

  /** A joiner's first clock is known. */
  #enters(site: string, clock: number): void {
    const { circle, clocks } = this.#gaia;
    if (site === this.#gaia.shard.world.node.site) return;
    if (circle.presence(site as SiteId) === undefined) return;
    clocks.enter(site, clock);
    if (!this.#entry) this.#gaia.resume();
  }
}
