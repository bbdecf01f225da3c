/**
 * The metadata service as one node of the run: it keeps the records in memory and answers questions. All its messages
 * are of lossy kinds: what is lost is told again with the next record, or asked again before the deadline.
 */
import type { NodeId } from "../../../../core/ids.ts";
import type { Scope } from "../../../../core/scope.ts";
import type { Micros } from "../../../../core/units.ts";
import type { NodeProgram, World } from "../../../../world/contract.ts";
import { type Message, messageKind } from "../../../../world/message.ts";
import { holdsWithin } from "../wait.ts";
import type { Registry, RegistryQuery, RegistryTerms, SiteRecord } from "./contract.ts";
import { decodeRecord, encodeRecord } from "./record.ts";
import { answerOf, RecordTable } from "./table.ts";

/** A record, told by the node that it is of. */
export const PUBLISH = messageKind("registry.publish", "control", "metadata", { lossy: true });
/** `{ id, classes, limit }`: answered with the same `id`. */
export const QUERY = messageKind("registry.query", "control", "metadata", { lossy: true });
/** `{ id }`; each part of the payload is a record. */
export const ANSWER = messageKind("registry.answer", "control", "metadata", { lossy: true });

/** A question is asked so many times within its deadline. */
const ATTEMPTS = 3;
/** No question is answered with more. */
const MOST_ANSWERED = 64;

/** The parts of a message that are valid records; of the others `refuse` is told. */
export function recordsIn(
  message: Message,
  expected: Parameters<typeof decodeRecord>[1],
  refuse: (error: unknown) => void,
): { readonly record: SiteRecord; readonly bytes: Uint8Array }[] {
  return message.payload.flatMap((part) => {
    const bytes = new Uint8Array(part.buffer, part.byteOffset, part.byteLength);
    try {
      return [{ record: decodeRecord(bytes, expected), bytes }];
    } catch (error) {
      refuse(error);
      return [];
    }
  });
}

/** What a question says, or nothing where it is none. */
export function queryOf({ header }: Message): RegistryQuery | undefined {
  const { classes, limit } = header;
  if (!Array.isArray(classes) || typeof limit !== "number" || !(limit > 0)) return undefined;
  return { classes, limit: Math.min(limit, MOST_ANSWERED) };
}

/** Records that were refused on arrival, as the log tells of them. */
export const refusals = (world: World): (() => void) => {
  let count = 0;
  return () => {
    const { site } = world.node;
    const t = world.clock.now();
    world.emit({ type: "metric", t, name: "cartel.refusedRecords", value: ++count, site });
  };
};

/** The program of the node that keeps the records. */
export const registryProgram =
  (terms: RegistryTerms): NodeProgram =>
  async (world, scope) => {
    const { network, clock } = world;
    const table = new RecordTable(terms.ttl);
    const refuse = refusals(world);
    network.handle(PUBLISH, (message, from) => {
      const expected = { ...terms, now: clock.now(), from };
      for (const { record, bytes } of recordsIn(message, expected, refuse))
        table.put(record, bytes, clock.now());
    });
    network.handle(QUERY, (message, from) => {
      const query = queryOf(message);
      if (!query) return;
      const id = Number(message.header["id"]);
      network.send(from, ANSWER, { id }, table.select(query, from, clock.now()));
    });
    await world.condition().until(() => false, { what: "the end of the run" }, scope);
  };

/** A site's side of it. */
export function centralRegistry(world: World, keeper: NodeId, terms: RegistryTerms): Registry {
  const { network, clock, node } = world;
  const changed = world.condition();
  const refuse = refusals(world);
  const answers = new Map<number, readonly SiteRecord[] | undefined>();
  let last = 0;
  network.handle(ANSWER, (message, from) => {
    const id = Number(message.header["id"]);
    if (from !== keeper || !answers.has(id) || answers.get(id)) return;
    const found = recordsIn(message, { ...terms, now: clock.now() }, refuse);
    answers.set(
      id,
      found.map(({ record }) => record),
    );
    changed.notify();
  });
  const ask = async (query: RegistryQuery, deadline: Micros, scope: Scope) => {
    const id = ++last;
    const until = clock.now() + deadline;
    answers.set(id, undefined);
    try {
      for (let attempts = ATTEMPTS; attempts > 0; attempts--) {
        network.send(keeper, QUERY, { id, classes: query.classes, limit: query.limit });
        const answered = () => answers.get(id) !== undefined;
        const reason = { what: "an answer of the registry", whom: () => [keeper] };
        const wait = (until - clock.now()) / attempts;
        if (await holdsWithin(world, changed, answered, wait, reason, scope)) break;
      }
      return answerOf(answers.get(id) ?? [], query, node.id);
    } finally {
      answers.delete(id);
    }
  };
  return {
    publish: (record) => network.send(keeper, PUBLISH, {}, [encodeRecord(record)]),
    query: ask,
  };
}
