/** Faults to inject, as an experiment file names them. Times are seconds of the world's time. */
import { z } from "zod";
import { InputError, type InputIssue } from "../../core/errors.ts";
import type { NodeId } from "../../core/ids.ts";
import { type Micros, SECOND } from "../../core/units.ts";
import type { NodeInfo } from "../contract.ts";

const seconds = z.number().nonnegative();

export const FaultSpec = z.discriminatedUnion("kind", [
  /**
   * The node's program is gone, as under `kill -9`. It starts anew on the same store; or it never does, and so long
   * after the crash the others learn that it has left.
   */
  z.strictObject({
    kind: z.literal("crash"),
    node: z.string(),
    at: seconds,
    restartAfter: seconds.optional(),
    detectAfter: seconds.optional(),
  }),
  /** A node, or all nodes of a site, are gone, and the others are told. */
  z.strictObject({ kind: z.literal("leave"), at: seconds, target: z.string() }),
  /** A vacant slot, or all those of a site, are filled. What joins before it ever left is vacant at the start. */
  z.strictObject({ kind: z.literal("join"), at: seconds, target: z.string() }),
  /** Nothing passes between two sites; reliable messages arrive after the heal. */
  z.strictObject({
    kind: z.literal("partition"),
    a: z.string(),
    b: z.string(),
    at: seconds,
    for: seconds,
  }),
  /** Extra one-way delay on links from `from` to `to` (each: every site, if absent). */
  z.strictObject({
    kind: z.literal("delay"),
    from: z.string().optional(),
    to: z.string().optional(),
    at: seconds,
    for: seconds,
    extraMs: z.number().positive(),
  }),
]);
export type FaultSpec = z.infer<typeof FaultSpec>;

/** Until others know that a node has crashed for good, where the fault does not say. */
export const DETECTED_AFTER_SECONDS = 3;

export const toMicros = (inSeconds: number): Micros => Math.round(inSeconds * SECOND);

const KINDS: Readonly<Record<string, string>> = { node: "node", target: "site or node" };

/** The nodes that a fault names: one, or all of a site. */
export const targetsOf = (target: string, nodes: readonly NodeInfo[]): readonly NodeId[] =>
  nodes.filter(({ id, site }) => id === target || site === target).map(({ id }) => id);

/** Slots that are vacant at the start: the first that is said of their members is that they join. */
export function vacantAtStart(
  faults: readonly FaultSpec[],
  nodes: readonly NodeInfo[],
): readonly NodeId[] {
  const first = new Map<NodeId, "leave" | "join">();
  for (const fault of [...faults].sort((a, b) => a.at - b.at)) {
    if (fault.kind !== "leave" && fault.kind !== "join") continue;
    for (const node of targetsOf(fault.target, nodes))
      if (!first.has(node)) first.set(node, fault.kind);
  }
  return nodes.flatMap(({ id }) => (first.get(id) === "join" ? [id] : []));
}

/** Throws an `InputError` with every node or site that no one knows. */
export function checkFaults(
  faults: readonly FaultSpec[],
  nodes: ReadonlySet<string>,
  sites: ReadonlySet<string>,
): void {
  const issues: InputIssue[] = [];
  const known = (index: number, key: string, name: string | undefined, among: typeof nodes) => {
    if (name === undefined || among.has(name)) return;
    issues.push({
      code: "UNKNOWN_NAME",
      message: `there is no ${KINDS[key] ?? "site"} "${name}"`,
      path: ["faults", index, key],
      fix: `one of ${[...among].slice(0, 5).join(", ")}${among.size > 5 ? ", …" : ""}`,
    });
  };
  const either = new Set([...sites, ...nodes]);
  faults.forEach((fault, index) => {
    if (fault.kind === "crash") known(index, "node", fault.node, nodes);
    else if (fault.kind === "leave" || fault.kind === "join")
      known(index, "target", fault.target, either);
    else if (fault.kind === "delay") {
      known(index, "from", fault.from, sites);
      known(index, "to", fault.to, sites);
    } else {
      known(index, "a", fault.a, sites);
      known(index, "b", fault.b, sites);
      if (fault.a === fault.b)
        issues.push({
          code: "IMPOSSIBLE_PAIR",
          message: `a site cannot be cut off from itself ("${fault.a}")`,
          path: ["faults", index, "b"],
        });
    }
  });
  if (issues.length > 0) throw new InputError(issues);
}
