/**
 * Streams of a run, planned beforehand from the data and the seed. Examples of a batch are drawn one by one from the
 * site's mixture of that batch; a longer run begins as a shorter one does.
 */
import type { Dataset } from "../../core/dataset.ts";
import type { Random } from "../../core/random.ts";
import { SECOND } from "../../core/units.ts";
import type { NaturalSites } from "../partition.ts";
import type { SiteStream } from "./contract.ts";
import { badStream } from "./errors.ts";
import { blend, type Mixture } from "./mixtures.ts";
import { dealNatural, naturalShifts } from "./natural.ts";
import type { StreamSpec } from "./spec.ts";
import { Supply } from "./supply.ts";
import { courses } from "./workload.ts";

const BATCHES = 300;

export interface StreamsRequest {
  readonly spec: StreamSpec;
  /** Labelled with classes. */
  readonly dataset: Dataset;
  readonly sites: number;
  /** Sites that the data name, for natural streams. */
  readonly natural?: NaturalSites | undefined;
  /** Names of the classes, where the data have them. */
  readonly classNames?: readonly string[] | undefined;
  readonly random: Random;
}

/** The stream of each site, by its number. Throws InputError BAD_STREAM where the data do not allow it. */
export function planStreams(request: StreamsRequest): readonly SiteStream[] {
  const { spec, sites } = request;
  const dataset = labelled(request.dataset);
  const timing = { batchSize: spec.batch, everyMicros: Math.round(SECOND / spec.rate) };
  const { workload } = spec;
  if (workload.kind !== "natural")
    return mixed(request, dataset, workload).map((stream) => ({ ...stream, ...timing }));
  return dealNatural(workload, dataset.rows, sites, request.natural).map((all, site) => {
    const batches = Math.min(spec.batches ?? Infinity, Math.floor(all.length / spec.batch));
    if (batches === 0)
      throw badStream({
        path: ["batch"],
        message: `site ${site} has ${all.length} rows, not one batch of ${spec.batch}`,
        fix: `at most ${all.length}`,
      });
    const rows = all.slice(0, batches * spec.batch);
    return { rows, ...timing, shifts: naturalShifts(workload, rows, spec.batch) };
  });
}

interface Labelled {
  readonly rows: number;
  readonly labels: Int32Array | Float32Array;
  readonly classes: number;
}

function labelled(dataset: Dataset): Labelled {
  if (dataset.kind === "dense" && dataset.classes > 0) return dataset;
  throw badStream({
    path: [],
    message: "a stream needs rows labelled with classes",
    fix: "digits, or a table whose label is a class",
  });
}

type Workload = Parameters<typeof courses>[0]["workload"];

function mixed(
  { spec, sites, classNames, random }: StreamsRequest,
  { labels, classes }: Labelled,
  workload: Workload,
): Pick<SiteStream, "rows" | "shifts">[] {
  const batches = spec.batches ?? BATCHES;
  const supply = new Supply(labels, classes, random.stream("supply"));
  const plan = courses({
    workload,
    mixture: spec.mixture ?? { kind: "iid" },
    counts: Array.from({ length: classes }, (_, c) => supply.size(c)),
    classNames,
    sites,
    batches,
    random: random.stream("workload"),
  });
  const chances = plan.map((_, site) => random.stream(`site ${site}`));
  const rows = plan.map(() => new Uint32Array(batches * spec.batch));
  for (let batch = 0; batch < batches; batch++)
    for (const [site, { before, after, level }] of plan.entries()) {
      const mixture = blend(before, after, level(batch));
      for (let k = 0; k < spec.batch; k++)
        rows[site]![batch * spec.batch + k] = supply.next(drawn(mixture, chances[site]!));
    }
  return plan.map(({ shifts }, site) => ({ rows: rows[site]!, shifts }));
}

/** A class by its share. */
function drawn(mixture: Mixture, random: Random): number {
  let rest = random.next();
  let last = 0;
  for (let c = 0; c < mixture.length; c++) {
    if (mixture[c] === 0) continue;
    last = c;
    if ((rest -= mixture[c]!) < 0) break;
  }
  return last;
}
