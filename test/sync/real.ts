/** Small real runs: digits drawn by Pangaea itself or made-up ratings, without files. */
import type { RunEvent } from "../../src/core/events.ts";
import { executeRun, newShared, type Shared } from "../../src/run/execute.ts";
import type { RunHost, RunOutcome } from "../../src/run/host.ts";
import { RunSpec } from "../../src/run/spec.ts";
import { mixed } from "./harness.ts";

export const small = (more: Record<string, unknown> = {}): RunSpec =>
  RunSpec.parse({
    version: 1,
    name: "small",
    data: { kind: "digits", rows: 400, testRows: 200 },
    model: { kind: "sequential", layers: ["flatten", { dense: 10 }] },
    optimizer: { kind: "sgd", learningRate: 0.2 },
    batch: 16,
    sites: { count: 3, workers: 2, bandwidthMbps: 20, rttMs: 80 },
    between: { kind: "stretched" },
    stop: { maxClocks: 30 },
    evaluate: { every: 5 },
    ...more,
  });

/** Ratings with a structure of rank one, as a file. */
function ratingsFile(): Uint8Array {
  const lines = ["userId,movieId,rating"];
  for (let user = 0; user < 24; user++)
    for (let item = 0; item < 30; item++)
      if (mixed(user, item) % 3 === 0)
        lines.push(`${user},${item},${(1 + ((user % 5) * (item % 7)) / 6).toFixed(2)}`);
  return new TextEncoder().encode(`${lines.join("\n")}\n`);
}

export const ratings = (more: Record<string, unknown> = {}): RunSpec =>
  small({
    data: { kind: "ratings", path: "ratings.csv" },
    model: { kind: "matrix-factorisation", rank: 4 },
    optimizer: { kind: "sgd", learningRate: 0.5 },
    ...more,
  });

export interface Executed {
  readonly events: readonly RunEvent[];
  readonly outcome: RunOutcome;
}

export async function execute(
  spec: RunSpec,
  options: {
    readonly shared?: Shared;
    readonly threads?: number;
    readonly signal?: AbortSignal;
    readonly onEvent?: (event: RunEvent) => void;
    readonly cluster?: RunHost["cluster"];
    readonly warn?: RunHost["warn"];
  } = {},
): Promise<Executed> {
  const events: RunEvent[] = [];
  const host: RunHost = {
    roots: [""],
    exists: async (path) => path.endsWith("ratings.csv"),
    readFile: async () => ratingsFile(),
    threads: options.threads ?? 0,
    cluster: options.cluster,
    warn: options.warn,
    signal: options.signal ?? new AbortController().signal,
    onEvent: (event) => {
      events.push(event);
      options.onEvent?.(event);
    },
  };
  return { events, outcome: await executeRun(spec, host, options.shared ?? newShared()) };
}

export const evaluations = ({ events }: Executed) =>
  events.filter((event) => event.type === "evaluation");
