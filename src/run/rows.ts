/** One row of a comparison: what a run cost and what it reached, from its view and its specification. */
import type { RunSpec } from "./spec.ts";
import { measureStreams, type StreamMeasures } from "./stream-measures.ts";
import { meets, type RunView, type Target } from "./view.ts";

/** The JSON of `compare --json`; times in seconds, sizes in bytes. */
export interface CompareRow {
  readonly name: string;
  readonly within: string;
  readonly between: string;
  readonly codec: string;
  /** Null where the run had no target. */
  readonly reachedTarget: boolean | null;
  readonly timeToTargetSeconds: number | null;
  readonly final: {
    readonly accuracy?: number | undefined;
    readonly rmse?: number | undefined;
    /** Null where nothing was judged, or the model diverged. */
    readonly loss: number | null;
  };
  /** The last loss is no number any more. */
  readonly diverged?: true;
  /** Clocks that every worker finished. */
  readonly clocks: number;
  /** How long the run took, and why it ended. */
  readonly seconds: number;
  readonly end: string;
  readonly wanBytes: number;
  readonly lanBytes: number;
  readonly egressDollars: number;
  /** Mean of the workers. */
  readonly computeSeconds: number;
  readonly waitSeconds: number;
  /** The part of the waiting with data on the wire, where the run measured it. */
  readonly wireSeconds?: number | undefined;
  /** Mean share of the parameters whose update was significant, where there is such a thing. */
  readonly significantFraction?: number | undefined;
  /** Of a run on streams. */
  readonly streams?: StreamMeasures | undefined;
  /** With several seeds: how many, and the spread of what differs between them. */
  readonly seeds?: number | undefined;
  readonly spread?: Readonly<Record<string, Spread>> | undefined;
}

export interface Spread {
  readonly mean: number;
  readonly min: number;
  readonly max: number;
  /** Sample standard deviation. */
  readonly deviation: number;
  readonly count: number;
}

/** `bsp`, `ssp:3`, `tap`, or the kind where there is no such choice. */
export function withinText(within: RunSpec["within"]): string {
  const { kind, consistency, staleness } = within;
  return consistency === undefined
    ? kind
    : consistency === "ssp"
      ? `ssp:${staleness}`
      : consistency;
}

/** What is sent: updates above a significance where the algorithm has one, else everything. */
const codecText = (between: RunSpec["between"]): string =>
  "significance" in between ? "significance" : "dense";

export const targetOf = (spec: RunSpec): Target => {
  const { accuracy, rmse, loss } = spec.stop;
  return {
    ...(accuracy === undefined ? {} : { accuracy }),
    ...(rmse === undefined ? {} : { rmse }),
    ...(loss === undefined ? {} : { loss }),
  };
};

export function compareRow(view: RunView, spec: RunSpec, name = view.name): CompareRow {
  const sites = [...view.sites.values()];
  const last = view.final ?? view.evaluations.at(-1);
  const wired = sites.some((site) => site.wireSeconds !== undefined);
  const significant = meanOf(view, ".significantFraction");
  return {
    name,
    within: withinText(spec.within),
    between: spec.between.kind,
    codec: codecText(spec.between),
    reachedTarget: hasTarget(spec) ? view.reachedAt !== undefined : null,
    timeToTargetSeconds: view.reachedAt ?? null,
    final: {
      ...(last?.accuracy === undefined ? {} : { accuracy: last.accuracy }),
      ...(last?.rmse === undefined ? {} : { rmse: last.rmse }),
      loss: last && Number.isFinite(last.loss) ? last.loss : null,
    },
    ...(last && !Number.isFinite(last.loss) ? { diverged: true } : {}),
    clocks: clocksOf(view),
    seconds: view.seconds,
    end: view.end?.reason ?? "interrupted",
    wanBytes: view.wanBytes,
    lanBytes: view.lanBytes,
    egressDollars: view.egressDollars,
    computeSeconds: workerMean(view, "computeMicros"),
    waitSeconds: workerMean(view, "waitMicros"),
    ...(wired ? { wireSeconds: workerMean(view, "wireMicros") } : {}),
    ...(significant === undefined ? {} : { significantFraction: significant }),
    ...(view.streams ? { streams: measureStreams(view.streams) } : {}),
  };
}

const hasTarget = (spec: RunSpec): boolean =>
  meets({ loss: 0, accuracy: 0, rmse: 0 }, targetOf(spec)) !== undefined;

/** The slowest worker's clock; sites that never worked do not count. */
function clocksOf(view: RunView): number {
  let clocks = Number.POSITIVE_INFINITY;
  for (const nodes of view.nodes.values()) {
    for (const node of nodes.values()) clocks = Math.min(clocks, node.clock);
  }
  return Number.isFinite(clocks) ? clocks : 0;
}

function workerMean(view: RunView, field: "computeMicros" | "waitMicros" | "wireMicros"): number {
  let sum = 0;
  let count = 0;
  for (const nodes of view.nodes.values()) {
    for (const node of nodes.values()) {
      sum += node[field];
      count += 1;
    }
  }
  return count === 0 ? 0 : sum / count / 1e6;
}

function meanOf(view: RunView, ending: string): number | undefined {
  let sum = 0;
  let count = 0;
  for (const [name, metric] of view.metrics) {
    if (!name.endsWith(ending)) continue;
    sum += metric.sum;
    count += metric.count;
  }
  return count === 0 ? undefined : sum / count;
}

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

export function spreadOf(values: readonly number[]): Spread {
  const middle = mean(values);
  const squares = values.reduce((sum, value) => sum + (value - middle) ** 2, 0);
  const deviation = values.length > 1 ? Math.sqrt(squares / (values.length - 1)) : 0;
  const [min, max] = [Math.min(...values), Math.max(...values)];
  return { mean: middle, min, max, deviation, count: values.length };
}

/** The numbers of a row that differ from seed to seed. */
const NUMBERS = [
  "timeToTargetSeconds",
  "clocks",
  "seconds",
  "wanBytes",
  "lanBytes",
  "egressDollars",
  "computeSeconds",
  "waitSeconds",
  "wireSeconds",
  "significantFraction",
] as const satisfies readonly (keyof CompareRow)[];

/**
 * The same row run with several seeds, as one: means, and the spread of each number. The target counts as
 * reached when every seed reached it; its time is the mean of those that did.
 */
export function mergeSeeds(rows: readonly CompareRow[]): CompareRow {
  const first = rows[0]!;
  if (rows.length === 1) return first;
  const spread: Record<string, Spread> = {};
  for (const key of NUMBERS) {
    const values = rows.map((row) => row[key]).filter((value) => typeof value === "number");
    if (values.length > 0) spread[key] = spreadOf(values);
  }
  const final: Record<string, number> = {};
  for (const key of ["accuracy", "rmse", "loss"] as const) {
    const values = rows.map((row) => row.final[key]).filter((value) => typeof value === "number");
    if (values.length === 0) continue;
    spread[`final.${key}`] = spreadOf(values);
    final[key] = mean(values);
  }
  const means = Object.fromEntries(
    NUMBERS.filter((key) => spread[key]).map((key) => [key, spread[key]!.mean]),
  );
  const streams = meanMeasures(rows, spread);
  const reached = first.reachedTarget === null ? null : rows.every((row) => row.reachedTarget);
  const ends = new Set(rows.map((row) => row.end));
  return {
    ...first,
    ...means,
    reachedTarget: reached,
    final: { ...final, loss: final.loss ?? null },
    ...(streams ? { streams } : {}),
    end: [...ends].join(", "),
    seeds: rows.length,
    spread,
  };
}

/** Means of the measures of streams; where a seed has none (nothing shifted), of those that have. */
function meanMeasures(
  rows: readonly CompareRow[],
  spread: Record<string, Spread>,
): StreamMeasures | undefined {
  const all = rows.flatMap(({ streams }) => streams ?? []);
  const [first] = all;
  if (!first) return undefined;
  const means = Object.keys(first).map((key) => {
    const values = all
      .map((one) => one[key as keyof StreamMeasures])
      .filter((value) => value !== null);
    if (values.length > 0) spread[`streams.${key}`] = spreadOf(values);
    return [key, values.length > 0 ? mean(values) : null] as const;
  });
  return Object.fromEntries(means) as unknown as StreamMeasures;
}
