/**
 * What changes at the sites. Every workload of mixtures is one shape: a site goes between two mixtures by a level
 * between 0 and 1 that depends on the batch.
 */
import type { Random } from "../../core/random.ts";
import { allRows } from "../rows.ts";
import type { Shift } from "./contract.ts";
import { badStream } from "./errors.ts";
import { baseMixtures, distance, type Mixture, normalised, withClass } from "./mixtures.ts";
import type { MixtureSpec, WorkloadSpec } from "./spec.ts";

/** The mixture of a site over time. */
export interface Course {
  readonly before: Mixture;
  readonly after: Mixture;
  /** 0 is `before`, 1 is `after`. */
  level(batch: number): number;
  readonly shifts: readonly Shift[];
}

type Mixed = Exclude<WorkloadSpec, { readonly kind: "natural" }>;
type Coming = Extract<Mixed, { readonly share: number }>;
type Swap = Extract<Mixed, { readonly kind: "swap" }>;

export interface CourseRequest {
  readonly workload: Mixed;
  readonly mixture: MixtureSpec;
  /** Rows of each class. */
  readonly counts: ArrayLike<number>;
  /** Names of the classes, for people; by default their numbers. */
  readonly classNames?: readonly string[] | undefined;
  readonly sites: number;
  readonly batches: number;
  readonly random: Random;
}

export function courses(request: CourseRequest): readonly Course[] {
  const { workload, mixture, counts, sites, random } = request;
  if ("at" in workload && workload.at >= request.batches)
    throw badStream({
      path: ["workload", "at"],
      message: `nothing changes: batch ${workload.at} does not come, there are ${request.batches}`,
      fix: `at most ${request.batches - 1}, or more batches`,
    });
  switch (workload.kind) {
    case "stationary":
      return baseMixtures(mixture, normalised(counts), sites, random).map(constant);
    case "swap":
      return swapped(workload, request);
    default:
      return coming(workload, request);
  }
}

const constant = (mixture: Mixture): Course => ({
  before: mixture,
  after: mixture,
  level: () => 0,
  shifts: [],
});

function swapped(workload: Swap, { mixture, counts, sites, random }: CourseRequest): Course[] {
  const mixtures = baseMixtures(mixture, normalised(counts), sites, random);
  const first = workload.between?.[0] ?? random.stream("swap").integer(sites);
  const other = workload.between?.[1] ?? byDistance(first, mixtures, random).at(-1) ?? first;
  checkSites([first, other], sites, "between");
  if (distance(mixtures[first]!, mixtures[other]!) === 0)
    throw badStream({
      path: ["workload", "between"],
      message: `sites ${first} and ${other} have nothing to swap: their mixtures are equal`,
      fix: "name two sites with different classes",
    });
  return mixtures.map((before, site): Course => {
    if (site !== first && site !== other) return constant(before);
    const partner = site === first ? other : first;
    const after = mixtures[partner]!;
    return {
      before,
      after,
      level: (batch) => (batch < workload.at ? 0 : 1),
      shifts: [
        {
          batch: workload.at,
          what: `takes over the mixture of site ${partner}`,
          classes: [...allRows(after.length)].filter((c) => after[c]! > before[c]!),
        },
      ],
    };
  });
}

/** A class comes to the targets; the base mixtures are without it. */
function coming(workload: Coming, request: CourseRequest): Course[] {
  const { mixture, counts, sites, random } = request;
  const { share } = workload;
  const added = classOf(workload, request);
  const prior = Float64Array.from(counts);
  prior[added] = 0;
  const mixtures = baseMixtures(mixture, normalised(prior), sites, random);
  const targets = targetsOf(workload, sites, random);
  const donors = donorsOf(workload, targets, mixtures, random);
  const level = levelOf(workload);
  const shifts = shiftsOf(workload, request.batches, added, request.classNames?.[added]);
  return mixtures.map((before, site): Course => {
    const after = withClass(before, added, share);
    if (donors.includes(site)) return constant(after);
    return targets.includes(site) ? { before, after, level, shifts } : constant(before);
  });
}

function levelOf(workload: Coming): Course["level"] {
  const { at } = workload;
  switch (workload.kind) {
    case "introduction":
      return (batch) => (batch < at ? 0 : 1);
    case "fluctuation":
      return (batch) =>
        batch < at || Math.floor((batch - at) / workload.period) % 2 === 1 ? 0 : 1;
    case "gradual":
      return (batch) => Math.min(1, Math.max(0, (batch - at + 1) / workload.span));
    default:
      return workload satisfies never;
  }
}

function shiftsOf(
  workload: Coming,
  batches: number,
  added: number,
  name = `class ${added}`,
): readonly Shift[] {
  const { at, share } = workload;
  const percent = `${Math.round(100 * share)} %`;
  const classes = [added];
  if (workload.kind === "introduction")
    return [{ batch: at, what: `${name} comes (${percent})`, classes }];
  if (workload.kind === "gradual")
    return [
      { batch: at, what: `${name} grows to ${percent} in ${workload.span} batches`, classes },
    ];
  const turns = Math.ceil((batches - at) / workload.period);
  return Array.from({ length: turns }, (_, turn) => ({
    batch: at + turn * workload.period,
    what: turn % 2 === 0 ? `${name} comes (${percent})` : `${name} goes`,
    classes: turn % 2 === 0 ? classes : [],
  }));
}

/** The class that comes: as named, or drawn among those with a quarter of a fair share of the rows at least. */
function classOf({ class: named }: Coming, request: CourseRequest): number {
  const { counts, classNames, random } = request;
  const all = [...allRows(counts.length)];
  const present = all.filter((c) => counts[c]! > 0);
  if (present.length < 2)
    throw badStream({ path: ["workload"], message: "a class can come only beside another one" });
  if (named === undefined) {
    const rows = all.reduce((sum, c) => sum + counts[c]!, 0);
    const common = all.filter((c) => counts[c]! >= rows / counts.length / 4);
    return common[random.stream("class").integer(common.length)]!;
  }
  const found = typeof named === "number" ? named : (classNames ?? []).indexOf(named);
  if (!present.includes(found))
    throw badStream({
      path: ["workload", "class"],
      message: `the data have no class ${named}`,
      fix: `there are ${present.map((c) => classNames?.[c] ?? c).join(", ")}`,
    });
  return found;
}

function targetsOf({ targets }: Coming, sites: number, random: Random): readonly number[] {
  const chosen =
    typeof targets === "number"
      ? [...random.stream("targets").shuffle(allRows(sites)).subarray(0, targets)]
      : targets;
  if (typeof targets === "number" && targets >= sites)
    throw badStream({
      path: ["workload", "targets"],
      message: `${targets} targets leave none of ${sites} sites to be a donor`,
      fix: `at most ${sites - 1}`,
    });
  checkSites(chosen, sites, "targets");
  return chosen;
}

function donorsOf(
  { donors }: Coming,
  targets: readonly number[],
  mixtures: readonly Mixture[],
  random: Random,
): readonly number[] {
  const free = byDistance(targets[0]!, mixtures, random).filter((site) => !targets.includes(site));
  if (typeof donors === "number" ? donors > free.length : donors.some((d) => targets.includes(d)))
    throw badStream({
      path: ["workload", "donors"],
      message: "a site is target or donor, not both",
      fix: `of ${mixtures.length} sites, ${targets.join(", ")} are targets`,
    });
  if (typeof donors === "number") return free.slice(0, donors);
  checkSites(donors, mixtures.length, "donors");
  return donors;
}

/** The other sites, those most like `site` first; equal ones in an order drawn from the seed. */
const byDistance = (site: number, mixtures: readonly Mixture[], random: Random): number[] =>
  [...random.stream("donors").shuffle(allRows(mixtures.length))]
    .filter((other) => other !== site)
    .sort(
      (a, b) => distance(mixtures[a]!, mixtures[site]!) - distance(mixtures[b]!, mixtures[site]!),
    );

function checkSites(chosen: readonly number[], sites: number, key: string): void {
  for (const site of chosen)
    if (site >= sites)
      throw badStream({
        path: ["workload", key],
        message: `there is no site ${site}`,
        fix: `sites are numbered 0 to ${sites - 1}`,
      });
}
