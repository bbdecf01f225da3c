/** Faults to inject, as an experiment file names them. Times are seconds of the world's time. */
import { z } from "zod";
import { InputError, type InputIssue } from "../../core/errors.ts";
import { type Micros, SECOND } from "../../core/units.ts";

const seconds = z.number().nonnegative();

export const FaultSpec = z.discriminatedUnion("kind", [
  /** The node's program is gone, as under `kill -9`; it starts anew on the same store. */
  z.strictObject({
    kind: z.literal("crash"),
    node: z.string(),
    at: seconds,
    restartAfter: seconds.optional(),
  }),
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

export const toMicros = (inSeconds: number): Micros => Math.round(inSeconds * SECOND);

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
      message: `there is no ${key === "node" ? "node" : "site"} "${name}"`,
      path: ["faults", index, key],
      fix: `one of ${[...among].slice(0, 5).join(", ")}${among.size > 5 ? ", …" : ""}`,
    });
  };
  faults.forEach((fault, index) => {
    if (fault.kind === "crash") known(index, "node", fault.node, nodes);
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
