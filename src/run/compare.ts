/** Runs the rows of a comparison one after another; what they have in common is done once. */
import { executeRun, newShared } from "./execute.ts";
import type { RunHost, RunOutcome } from "./host.ts";
import type { RunSpec } from "./spec.ts";

export interface ComparedRun {
  readonly name: string;
  readonly spec: RunSpec;
  readonly outcome: RunOutcome;
}

export async function executeCompare(
  entries: readonly { readonly name: string; readonly spec: RunSpec }[],
  hostOf: (name: string) => RunHost,
): Promise<readonly ComparedRun[]> {
  const shared = newShared();
  const runs: ComparedRun[] = [];
  for (const { name, spec } of entries) {
    const host = hostOf(name);
    if (host.signal.aborted) break;
    runs.push({ name, spec, outcome: await executeRun(spec, host, shared, name) });
  }
  return runs;
}
