/** What executes runs; loaded when something is to be run. Tests bring their own. */
import type { RunHost, RunOutcome } from "../run/host.ts";
import type { RunSpec } from "../run/spec.ts";

export interface EngineRun {
  readonly name: string;
  readonly spec: RunSpec;
  readonly outcome: RunOutcome;
}

export interface Engine {
  readonly executeRun: (spec: RunSpec, host: RunHost) => Promise<RunOutcome>;
  readonly executeCompare: (
    entries: readonly { readonly name: string; readonly spec: RunSpec }[],
    host: (name: string) => RunHost,
  ) => Promise<readonly EngineRun[]>;
}

export async function loadEngine(): Promise<Engine> {
  const [{ executeRun }, { executeCompare }] = await Promise.all([
    import("../run/execute.ts"),
    import("../run/compare.ts"),
  ]);
  return { executeRun: (spec, host) => executeRun(spec, host), executeCompare };
}
