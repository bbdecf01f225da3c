/** An audit in sentences: first whether records left a site, then what else crossed, and what the log does not know. */
import type { Cargo } from "../core/events.ts";
import type { Audit, Crossing } from "./audit.ts";
import { bytes, seconds } from "./format.ts";

/** The first of them answers the question that an auditor asks. */
export function auditSentences(audit: Audit): readonly string[] {
  const { ended, since, world } = audit;
  const crossed = audit.crossings.filter(({ messages }) => messages > 0);
  const refused = audit.crossings.filter((crossing) => crossing.refused > 0);
  return [
    ...aboutRecords(crossed),
    ...aboutTheRest(crossed),
    ...refused.map(
      (r) =>
        `Refused: ${count(r.refused, "message")} ${r.kind} from ${r.from} to ${r.to}, by ${said(r)}.`,
    ),
    ...(since === undefined ? [] : [`${BEFORE} ${seconds(since / 1e6)}.`]),
    ...(ended === undefined ? ["The log has no end: what crossed later is not in it."] : []),
    ...(world === "cluster" ? [CLUSTER] : []),
  ];
}

const BEFORE =
  "What crossed while another coordinator led the run is in that one's log, not in this one: the first";

/** Control of a cluster goes another way than messages between nodes. */
const CLUSTER =
  "Beside these, the hosts told the coordinator their events and copies of models, which the log does not count.";

function aboutRecords(crossed: readonly Crossing[]): readonly string[] {
  const records = pairs(crossed.filter(({ carries }) => carries === "records"));
  if (records.length > 0)
    return records.map((r) => {
      const allowed = r.policy.records === "may-move" ? "allowed by" : "RECORDS_LEFT: against";
      return `Records left ${r.from} for ${r.to}: ${bytes(r.bytes)} in ${count(r.messages, "message")}, ${allowed} ${said(r)}.`;
    });
  if (crossed.some(({ carries }) => carries === undefined))
    return [
      "Whether records left a site is not known: the log is of a version that did not say what a kind carries.",
    ];
  return ["No records left any site."];
}

function aboutTheRest(crossed: readonly Crossing[]): readonly string[] {
  const totals = new Map<Cargo | "unknown", number>();
  for (const { carries = "unknown", bytes: more } of crossed)
    if (carries !== "records") totals.set(carries, (totals.get(carries) ?? 0) + more);
  if (totals.size === 0) return crossed.length === 0 ? ["Nothing crossed between sites."] : [];
  const named = [...totals].sort(([, a], [, b]) => b - a);
  const what = named.map(([cargo, total]) => `${bytes(total)} ${cargo}`).join(", ");
  return [`Between sites went, over ${count(pairs(crossed).length, "pair")} of them: ${what}.`];
}

/** Sums over the kinds of each ordered pair. */
function pairs(crossings: readonly Crossing[]): readonly Crossing[] {
  const sums = new Map<string, Crossing>();
  for (const each of crossings) {
    const key = JSON.stringify([each.from, each.to]);
    const sum = sums.get(key);
    const { messages = 0, bytes: sofar = 0 } = sum ?? {};
    sums.set(key, { ...each, messages: each.messages + messages, bytes: each.bytes + sofar });
  }
  return [...sums.values()];
}

const said = ({ policy }: Crossing): string => `${policy.path}.records: ${policy.records}`;
const count = (n: number, what: string): string => `${n} ${what}${n === 1 ? "" : "s"}`;
