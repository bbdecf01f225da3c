/**
 * Measures of runs on streams, from what their sites showed. Definitions (docs/glossary.md):
 *
 * - *error* of some batches: wrong predictions over examples, each batch predicted before it was learned (prequential).
 * - *moving error* at a batch: the error of the batches that begin with it and together hold `WINDOW` examples. A window
 *   that looks ahead adds no lag: what it says of a batch does not depend on what was before a shift. It is as many
 *   examples whatever the size of a batch, so that chance (0.9 points at an error of 8 %) decides no more with small ones.
 * - the *segment* of a shift: from its batch to the next shift of the site, or to the end of the stream.
 * - the *stable level* of a segment: the error of its last half.
 * - *adaptation*: batches from the shift until the moving error is within `MARGIN` of the stable level. A long window would
 *   swallow a short and high peak, and call a site adapted that has not yet noticed; so no beginning of the window may
 *   be above that limit by more than chance (`CLEARLY` standard errors) either. With these constants streams of batches
 *   of 10 without any change "adapt" within 0.0 batches (error 3 %), 0.3 (8 %) and 2.7 (12 %), simulated; windows of 500
 *   examples and two standard errors gave 0.2, 1.5 and 2.1, and more where the error stays one point higher. A segment whose error still falls
 *   (its last quarter is better than the one before by more than the margin and twice the standard error of that
 *   difference) has not adapted: its whole length counts, and the share of adapted shifts says so.
 * - a *false request*: one with no shift at its site in the `CAUSE` batches before it.
 */
import type { SiteStreamView, StreamsView } from "./stream-view.ts";

/** Examples of a moving error, at least. */
export const WINDOW = 1000;
/** Batches of an error that is shown while a stream goes on, and along it. */
export const SHOWN = 10;
/** Two points of error. */
export const MARGIN = 0.02;
/** Standard errors above the limit that are no chance. */
const CLEARLY = 3;
/** Batches after a shift over which the error after shifts is taken. */
export const AFTER = 50;
/** Batches for which a shift is the cause of requests. */
export const CAUSE = 100;
/** Examples: shorter segments say nothing of adaptation. */
const SHORTEST = 2 * WINDOW;

export interface StreamMeasures {
  /** Of all sites, those that were predicted and told of. */
  readonly batches: number;
  readonly error: number;
  /** Over the first `AFTER` batches after each shift; null without shifts. */
  readonly errorAfterShifts: number | null;
  /** Shifts whose segment is long enough to say something. */
  readonly shifts: number;
  /** Share of them after which the site reached a stable level, 0..1; null without shifts. */
  readonly adapted: number | null;
  /** Mean over the shifts; null without shifts. */
  readonly adaptationBatches: number | null;
  /** Batches from a shift to the first drift that the site noticed, mean over the shifts noticed; null if none was. */
  readonly detectionDelay: number | null;
  readonly drifts: number;
  readonly requests: number;
  readonly accepted: number;
  readonly rejected: number;
  readonly falseRequestsPer1000: number;
  /** Bytes of the model at a site, mean of the sites. */
  readonly modelBytes: number;
  /** Operations of training of each model that is trained, mean: of a site's, or of the one global model. */
  readonly trainFlops: number;
}

/** Wrong over all, batches [from, to); NaN where there were no examples. */
export function errorOf(site: SiteStreamView, from: number, to: number): number {
  let errors = 0;
  let examples = 0;
  for (let batch = Math.max(0, from); batch < Math.min(to, site.examples.length); batch++) {
    errors += site.errors[batch]!;
    examples += site.examples[batch]!;
  }
  return errors / examples;
}

export interface Segment {
  readonly from: number;
  /** Exclusive. */
  readonly to: number;
}

/** One for each shift of the site. */
export function segmentsOf(site: SiteStreamView): readonly Segment[] {
  const starts = site.marks.filter(({ mark }) => mark === "shift").map(({ batch }) => batch);
  const end = site.examples.length;
  return starts
    .map((from, i) => ({ from, to: starts[i + 1] ?? end }))
    .filter(({ from, to }) => from < to);
}

export interface Adaptation {
  readonly batches: number;
  readonly stable: number;
  readonly adapted: boolean;
}

/** Of a segment that is long enough. */
export function adaptationOf(site: SiteStreamView, { from, to }: Segment): Adaptation {
  const quarter = Math.floor((to - from) / 4);
  const stable = errorOf(site, to - 2 * quarter, to);
  const falling = errorOf(site, to - 2 * quarter, to - quarter) - errorOf(site, to - quarter, to);
  const chance = Math.sqrt((2 * stable * (1 - stable)) / examplesOf(site, to - quarter, to));
  if (falling > MARGIN + 2 * chance) return { batches: to - from, stable, adapted: false };
  for (let batch = from; batch < to; batch++)
    if (isWithin(site, { from: batch, to }, stable + MARGIN))
      return { batches: batch - from, stable, adapted: true };
  return { batches: to - from, stable, adapted: false };
}

/** Whether the window at `from` is within the limit, and no beginning of it clearly above. */
function isWithin(site: SiteStreamView, { from, to }: Segment, limit: number): boolean {
  let errors = 0;
  let examples = 0;
  // Near the end the window is what is left of the segment.
  for (let batch = from; batch < to && examples < WINDOW; batch++) {
    errors += site.errors[batch]!;
    examples += site.examples[batch]!;
    const chance = Math.sqrt((limit * (1 - limit)) / examples);
    if (errors / examples > limit + CLEARLY * chance) return false;
  }
  return errors <= limit * examples;
}

const examplesOf = (site: SiteStreamView, from: number, to: number): number =>
  sum(site.examples.slice(from, to));

/** Whether a segment is long enough to say something of adaptation. */
export const isLong = (site: SiteStreamView, { from, to }: Segment): boolean =>
  examplesOf(site, from, to) >= SHORTEST;

export function measureStreams({ sites, centreFlops }: StreamsView): StreamMeasures {
  const all = [...sites.values()];
  const shifted = all.flatMap((site) => segmentsOf(site).map((segment) => ({ site, segment })));
  const judged = shifted.filter(({ site, segment }) => isLong(site, segment));
  const adaptations = judged.map(({ site, segment }) => adaptationOf(site, segment));
  const after = shifted.map(({ site, segment: { from, to } }) => ({
    site,
    from,
    to: Math.min(to, from + AFTER),
  }));
  const delays = shifted.flatMap(({ site, segment: { from, to } }) => {
    const noticed = site.marks.find(
      ({ mark, batch }) => mark === "drift" && batch >= from && batch < to,
    );
    return noticed ? [noticed.batch - from] : [];
  });
  const batches = sum(all.map(({ examples }) => examples.filter((count) => count > 0).length));
  const trained = [...all.map((site) => site.trainFlops), ...centreFlops.values()].filter(
    (flops) => flops > 0,
  );
  return {
    batches,
    error: pooled(all.map((site) => ({ site, from: 0, to: site.examples.length }))),
    errorAfterShifts: after.length === 0 ? null : pooled(after),
    shifts: judged.length,
    adapted: mean(adaptations.map(({ adapted }) => (adapted ? 1 : 0))),
    adaptationBatches: mean(adaptations.map((one) => one.batches)),
    detectionDelay: mean(delays),
    drifts: countOf(all, "drift"),
    requests: countOf(all, "request"),
    accepted: countOf(all, "accept"),
    rejected: countOf(all, "reject"),
    falseRequestsPer1000: batches === 0 ? 0 : (1000 * sum(all.map(falseRequests))) / batches,
    modelBytes: mean(all.map((site) => site.modelBytes)) ?? 0,
    trainFlops: mean(trained) ?? 0,
  };
}

function falseRequests({ marks }: SiteStreamView): number {
  const shifts = marks.filter(({ mark }) => mark === "shift").map(({ batch }) => batch);
  return marks.filter(
    ({ mark, batch }) =>
      mark === "request" && !shifts.some((at) => at <= batch && batch < at + CAUSE),
  ).length;
}

const countOf = (sites: readonly SiteStreamView[], kind: string): number =>
  sum(sites.map(({ marks }) => marks.filter(({ mark }) => mark === kind).length));

/** The error over several stretches together. */
function pooled(stretches: readonly (Segment & { readonly site: SiteStreamView })[]): number {
  let errors = 0;
  let examples = 0;
  for (const { site, from, to } of stretches) {
    errors += sum(site.errors.slice(from, to));
    examples += sum(site.examples.slice(from, to));
  }
  return examples === 0 ? 0 : errors / examples;
}

const sum = (values: readonly number[]): number => values.reduce((all, value) => all + value, 0);

const mean = (values: readonly number[]): number | null =>
  values.length === 0 ? null : sum(values) / values.length;
