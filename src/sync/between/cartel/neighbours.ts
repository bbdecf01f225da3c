/**
 * Which sites to ask: the logical neighbours of a site are those whose data is like what it now sees (Daga et al.,
 * "Cartel", SoCC'19, by Jensen-Shannon divergence), and that do well on the classes that it needs. The paper's threshold
 * and ranking are not public; those here are of our own design. Pure: records in, verdicts with reasons out.
 */
import { z } from "zod";
import type { NodeId, SiteId } from "../../../core/ids.ts";
import type { Micros } from "../../../core/units.ts";
import { jensenShannon, sketchDivergence } from "./divergence.ts";
import type { SiteRecord } from "./registry/contract.ts";

const share = z.number().min(0).max(1);

export const NeighbourOptions = z.strictObject({
  /** Largest divergence of a neighbour at first, at last, and by how much it grows while nobody is so near. */
  near: share.default(0.3),
  far: share.default(0.6),
  step: z.number().gt(0).max(1).default(0.1),
  /** lambda: what an error of 1 on the classes in need weighs against a divergence of 1. */
  errorWeight: z.number().nonnegative().default(1),
  /** A neighbour errs less than the site itself on the classes in need, by this at least. */
  gain: share.default(0.1),
  /** Labelled examples that a neighbour has lately had of some class in need. */
  minSamples: z.number().int().nonnegative().default(20),
  /** At most so many are asked, one after the other. */
  most: z.number().int().positive().default(3),
  /** Records older than so many reports are stale. */
  staleReports: z.number().positive().default(3),
  /** Scores closer than this are ties: the shorter round trip wins, then the cheaper way. */
  tie: z.number().gt(0).default(0.02),
});
export type NeighbourOptions = z.infer<typeof NeighbourOptions>;

/** The site that looks for neighbours. */
export interface Target {
  readonly node: NodeId;
  readonly modelKind: string;
  /** What it sees now: labels by class, errors on each (NaN: none seen). */
  readonly classCounts: Uint32Array;
  readonly classErrors: Float32Array;
  /** Classes in need; empty: all that it sees. */
  readonly need: readonly number[];
  readonly sketch?: Float32Array | undefined;
}

/** What counts beside the records. */
export interface Surroundings {
  readonly now: Micros;
  /** Records told before this long ago are stale. */
  readonly staleAfter: Micros;
  /** Who did not help in this need. They make room for others. */
  readonly failed?: ReadonlySet<NodeId>;
  readonly roundTripMicros: (site: SiteId) => Micros;
  /** Price of a gigabyte from there. */
  readonly dollarsPerGB: (site: SiteId) => number;
}

export interface Verdict {
  readonly record: SiteRecord;
  readonly kept: boolean;
  /** For people: "near (0.12), errs 4 % on the classes in need". */
  readonly reason: string;
  readonly divergence: number;
  /** divergence + errorWeight * error on the classes in need; the lower the better. */
  readonly score: number;
}

/** Verdicts on all records, those kept first and best first. */
export function chooseNeighbours(
  target: Target,
  records: readonly SiteRecord[],
  around: Surroundings,
  options: NeighbourOptions,
): readonly Verdict[] {
  const need = needOf(target);
  const own = errorOn(need, target.classErrors, target.classCounts);
  const judged = records.map((record) => {
    const divergence = divergenceOf(target, record);
    const error = errorOn(need, record.classErrors, target.classCounts);
    const score = divergence + options.errorWeight * error;
    const unfit = whyUnfit(target, need, record, around, options);
    const useless =
      unfit ??
      (error > own - options.gain ? `errs ${percent(error)}, the site ${percent(own)}` : undefined);
    return { record, divergence, error, score, unfit: useless };
  });
  const limit = limitOf(
    judged.filter(({ unfit }) => unfit === undefined).map(({ divergence }) => divergence),
    options,
  );
  const verdicts = judged.map(({ record, divergence, error, score, unfit }): Verdict => {
    const far = divergence > limit ? `too far (${divergence.toFixed(2)})` : undefined;
    const dropped = unfit ?? far;
    const fine = `near (${divergence.toFixed(2)}), errs ${percent(error)} on the classes in need`;
    return { record, kept: dropped === undefined, reason: dropped ?? fine, divergence, score };
  });
  const kept = verdicts.filter((verdict) => verdict.kept).sort(better(around, options));
  const left = verdicts.filter((verdict) => !verdict.kept).sort((a, b) => byNode(a, b));
  const crowded = kept
    .slice(options.most)
    .map((verdict) => ({ ...verdict, kept: false, reason: `${options.most} are better` }));
  return [...kept.slice(0, options.most), ...crowded, ...left];
}

const percent = (part: number): string => `${Math.round(100 * part)} %`;

const needOf = ({ need, classCounts }: Target): readonly number[] =>
  need.length > 0 ? need : [...classCounts.keys()].filter((c) => classCounts[c]! > 0);

/** The error on the classes in need, each by its share at the target; 1 where it is not known. */
function errorOn(need: readonly number[], errors: Float32Array, counts: Uint32Array): number {
  let [sum, weights] = [0, 0];
  for (const c of need) {
    const weight = Math.max(1, counts[c]!);
    const error = errors[c]!;
    sum += weight * (Number.isNaN(error) ? 1 : error);
    weights += weight;
  }
  return weights > 0 ? sum / weights : 1;
}

function divergenceOf({ classCounts, sketch }: Target, record: SiteRecord): number {
  const classes = jensenShannon(classCounts, record.classCounts);
  const other = record.sketch;
  if (!sketch || !other || sketch.length !== other.length) return classes;
  return (classes + sketchDivergence(sketch, other)) / 2;
}

function whyUnfit(
  target: Target,
  need: readonly number[],
  record: SiteRecord,
  { now, staleAfter, failed }: Surroundings,
  { minSamples }: NeighbourOptions,
): string | undefined {
  if (record.node === target.node) return "the site itself";
  if (failed?.has(record.node)) return "did not help before";
  if (record.modelKind !== target.modelKind) return `its model is a ${record.modelKind}`;
  if (now - record.sequence > staleAfter)
    return `its record is ${Math.round((now - record.sequence) / 1e6)} s old`;
  const seen = Math.max(0, ...need.map((c) => record.classCounts[c]!));
  if (seen < Math.max(1, minSamples)) return `has seen ${seen} of the classes in need`;
  return undefined;
}

/** The first limit within which somebody is: near, near + step, …, far. */
function limitOf(divergences: readonly number[], { near, far, step }: NeighbourOptions): number {
  const nearest = Math.min(...divergences);
  for (let k = 0; near + k * step < far; k++)
    if (nearest <= near + k * step) return near + k * step;
  return Math.max(near, far);
}

const byNode = (a: Verdict, b: Verdict): number => (a.record.node < b.record.node ? -1 : 1);

const better =
  ({ roundTripMicros, dollarsPerGB }: Surroundings, { tie }: NeighbourOptions) =>
  (a: Verdict, b: Verdict): number =>
    Math.round(a.score / tie) - Math.round(b.score / tie) ||
    roundTripMicros(a.record.site) - roundTripMicros(b.record.site) ||
    dollarsPerGB(a.record.site) - dollarsPerGB(b.record.site) ||
    a.score - b.score ||
    byNode(a, b);
