/** A run whose coordinator has gone, led from here to its end: its log, report and models begin here. */
import { resumeRun } from "../run/live-cluster.ts";
import type { RunSpec } from "../run/spec.ts";
import type { Taken } from "../world/cluster/coordinator.ts";
import type { Engine } from "./engine.ts";
import type { Io } from "./io.ts";
import { runSession, type SessionOptions, type SessionResult } from "./session.ts";

type Given = "roots" | "threads" | "out" | "quiet" | "cluster";

export async function leadSession(
  spec: RunSpec,
  taken: Taken,
  io: Io,
  options: Pick<SessionOptions, Given>,
): Promise<SessionResult> {
  const engine: Engine = {
    executeRun: (_, host) => resumeRun(spec, taken, host),
    executeCompare: async () => [],
  };
  const entry = { name: spec.name, spec, origins: {}, locate: <T>(issue: T): T => issue };
  const one = { name: spec.name, entries: [entry], compare: false, seeds: [] };
  try {
    return await runSession(io, engine, { ...one, ...options });
  } finally {
    // What could not be led is free for others.
    await taken.close();
  }
}
