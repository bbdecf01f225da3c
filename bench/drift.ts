/**
 * Detection delay and false alarms of every drift detector on every workload, as a markdown table.
 *
 *   npx tsx bench/drift.ts [--data FOLDER] [--seeds 5] [--only bernoulli|digits|nsl-kdd|natural]
 *     [--model svm|forest|logistic|naive-bayes] [--detector '{"kind":"ddm"}']
 *
 * Each site learns alone, test-then-train; its errors and the classes of its batches are what the detectors see, and
 * no detector touches the learner, so all of them judge the same streams. A shift at which a class comes (or grows) is
 * to be found within a horizon: until the next shift, 50 batches at most, the span and 50 for a gradual one. Delay 0 is
 * the first batch of the new kind. `again` counts further alarms within the horizon. Alarms outside every horizon are
 * false; of natural streams, whose changes nobody has marked, all are listed there. Spread: standard deviation over
 * seeds (false alarms) or over all shifts found (delays).
 */
import { existsSync, readFileSync } from "node:fs";
import { type Batch, type DenseDataset, shapeOf } from "../src/core/dataset.ts";
import { createRandom, type Random } from "../src/core/random.ts";
import { type DataHost, type LoadedData, loadData } from "../src/data/load.ts";
import { DataSpec } from "../src/data/spec.ts";
import { batchesOf, batchRows, type SiteStream } from "../src/data/streams/contract.ts";
import { planStreams } from "../src/data/streams/plan.ts";
import { StreamSpec } from "../src/data/streams/spec.ts";
import { createTailored } from "../src/model/online/create.ts";
import { OnlineModelSpec } from "../src/model/online/spec.ts";
import type { Observation } from "../src/sync/between/cartel/drift/contract.ts";
import { createDetector, DriftOptions } from "../src/sync/between/cartel/drift/options.ts";
import {
  beijingAir,
  ELEC2_CHANGES,
  elec2,
  heartDisease,
  noaaWeather,
  nslKdd,
} from "../test/data/streams-sources.ts";

const option = (name: string): string | undefined => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? undefined : process.argv[at + 1];
};
const DATA = option("data") ?? process.env.PANGAEA_DATA ?? "../shared/data";
const SEEDS = Number(option("seeds") ?? 5);
const MODEL = OnlineModelSpec.parse({ kind: option("model") ?? "svm" });
const HORIZON = 50;

const DETECTORS: readonly DriftOptions[] = (
  option("detector")
    ? [JSON.parse(option("detector")!)].flat()
    : [{ kind: "two-window" }, { kind: "adwin" }, { kind: "ddm" }, { kind: "page-hinkley" }]
).map((options: unknown) => DriftOptions.parse(options));
const LABELS = option("detector")
  ? DETECTORS.map((options) => JSON.stringify(options))
  : DETECTORS.map(({ kind }) => kind);

const host: DataHost = {
  roots: [DATA],
  exists: async (path) => existsSync(path),
  readFile: async (path) => readFileSync(path),
};

/** What a site that learns alone sees of its stream. */
async function observations(
  dataset: DenseDataset,
  stream: SiteStream,
  model: OnlineModelSpec,
  random: Random,
): Promise<Observation[]> {
  const learner = createTailored(model, shapeOf(dataset), random);
  const predicted = new Int32Array(stream.batchSize);
  const observed: Observation[] = [];
  for (let b = 0; b < batchesOf(stream); b++) {
    const batch: Batch = { dataset, rows: batchRows(stream, b) };
    await learner.predict(batch, predicted);
    const classCounts = new Uint32Array(dataset.classes);
    let errors = 0;
    for (const [k, row] of batch.rows.entries()) {
      const label = dataset.labels[row]!;
      classCounts[label]!++;
      if (predicted[k] !== label) errors++;
    }
    observed.push({ examples: batch.rows.length, errors, classCounts });
    await learner.learn(batch);
  }
  await learner.close();
  return observed;
}

interface Seen {
  readonly stream: SiteStream;
  readonly seed: number;
  readonly observed: readonly Observation[];
}

interface Found {
  readonly delays: readonly number[];
  readonly shifts: number;
  readonly again: number;
  /** A thousand batches, by seed. */
  readonly falseAlarms: readonly number[];
}

function judge(seen: readonly Seen[], options: DriftOptions, classes: number, span: number): Found {
  const delays: number[] = [];
  let shifts = 0;
  let again = 0;
  const alarmsOf = new Array<number>(SEEDS).fill(0);
  const batchesSeen = new Array<number>(SEEDS).fill(0);
  for (const { stream, seed, observed } of seen) {
    const detector = createDetector(options, classes);
    const alarms = observed.flatMap((batch, b) => (detector.observe(batch) === "drift" ? [b] : []));
    const horizons = stream.shifts.map((shift, s) => ({
      shift,
      end: Math.min(stream.shifts[s + 1]?.batch ?? Infinity, shift.batch + span + HORIZON),
    }));
    for (const { shift, end } of horizons) {
      const within = alarms.filter((b) => b >= shift.batch && b < end);
      if (shift.classes.length === 0) continue;
      shifts++;
      if (within.length > 0) delays.push(within[0]! - shift.batch);
      again += Math.max(0, within.length - 1);
    }
    alarmsOf[seed]! += alarms.filter(
      (b) => !horizons.some(({ shift, end }) => b >= shift.batch && b < end),
    ).length;
    batchesSeen[seed]! +=
      observed.length -
      horizons.reduce(
        (sum, { shift, end }) => sum + Math.min(end, observed.length) - shift.batch,
        0,
      );
  }
  return {
    delays,
    shifts,
    again,
    falseAlarms: alarmsOf.map((count, seed) => (1000 * count) / batchesSeen[seed]!),
  };
}

const mean = (values: readonly number[]): number =>
  values.reduce((a, b) => a + b, 0) / values.length;
const deviation = (values: readonly number[]): number =>
  Math.sqrt(mean(values.map((value) => (value - mean(values)) ** 2)));
const shown = (values: readonly number[]): string =>
  values.length === 0 ? "-" : `${mean(values).toFixed(1)} ± ${deviation(values).toFixed(1)}`;

const line = (cells: readonly (string | number)[]): void => {
  process.stdout.write(`| ${cells.join(" | ")} |\n`);
};

interface Workload {
  readonly name: string;
  readonly sites: number;
  readonly stream: object;
  readonly span?: number;
}

async function measure(
  source: string,
  data: LoadedData,
  { name, sites, stream, span = 0 }: Workload,
): Promise<void> {
  const dataset = data.train as DenseDataset;
  const plan = (random: Random) =>
    planStreams({
      spec: StreamSpec.parse(stream),
      dataset,
      sites,
      natural: data.natural,
      classNames: data.classNames,
      random,
    });
  const natural = JSON.stringify(stream).includes('"natural"');
  const seen: Seen[] = [];
  for (let seed = 0; seed < (natural ? 1 : SEEDS); seed++)
    for (const [site, own] of plan(createRandom(seed, "drift")).entries())
      if (natural || name.endsWith("stationary") || own.shifts.length > 0 || site < 1)
        seen.push({
          stream: own,
          seed,
          observed: await observations(dataset, own, MODEL, createRandom(seed, `model ${site}`)),
        });
  const last = seen.flatMap(({ observed }) =>
    observed
      .slice(-Math.ceil(observed.length / 10))
      .map(({ errors, examples }) => errors / examples),
  );
  for (const [d, options] of DETECTORS.entries()) {
    const { delays, shifts, again, falseAlarms } = judge(seen, options, dataset.classes, span);
    line([
      source,
      name,
      LABELS[d]!,
      shown(delays),
      `${delays.length}/${shifts}`,
      shifts === 0 ? "-" : (again / shifts).toFixed(2),
      shown(natural ? falseAlarms.slice(0, 1) : falseAlarms),
      mean(last).toFixed(2),
    ]);
  }
}

/** Errors by chance alone: 20 streams of 1,000 batches without a change, and of a rise at batch 100, by size of batch. */
function bernoulli(p: number): void {
  const jump = (rise: number) => (batch: number) => (batch < 100 ? p : p + rise);
  for (const [d, options] of DETECTORS.entries())
    for (const examples of [10, 50]) {
      const alarmsOf = (seed: number, batches: number, chance: (batch: number) => number) => {
        const random = createRandom(seed, "bernoulli");
        const detector = createDetector(options, 1);
        return Array.from({ length: batches }, (_, b) => {
          let errors = 0;
          for (let k = 0; k < examples; k++) if (random.next() < chance(b)) errors++;
          const batch = { examples, errors, classCounts: Uint32Array.of(examples) };
          return detector.observe(batch) === "drift" ? b : -1;
        }).filter((b) => b >= 0);
      };
      const seeds = Array.from({ length: 20 }, (_, seed) => seed);
      const alarms = seeds.map((seed) => alarmsOf(seed, 1000, () => p).length);
      for (const rise of [0.1, 0.3]) {
        const delays = seeds.flatMap((seed) =>
          alarmsOf(seed, 200, jump(rise))
            .filter((b) => b >= 100)
            .slice(0, 1)
            .map((b) => b - 100),
        );
        const what = `batches of ${examples}, + ${rise}`;
        line([
          "bernoulli",
          what,
          LABELS[d]!,
          shown(delays),
          `${delays.length}/20`,
          "-",
          shown(alarms),
          p,
        ]);
      }
    }
}

const tailored = { kind: "classes", count: 3 };
const comes = { targets: 3, donors: 1, at: 100 };
const mixed = (mixture: object): Workload[] => [
  {
    name: "introduction",
    sites: 10,
    stream: { batches: 200, mixture, workload: { kind: "introduction", ...comes } },
  },
  {
    name: "fluctuation",
    sites: 10,
    stream: { batches: 300, mixture, workload: { kind: "fluctuation", ...comes, targets: 2 } },
  },
  {
    name: "gradual",
    sites: 10,
    span: 100,
    stream: { batches: 300, mixture, workload: { kind: "gradual", ...comes } },
  },
  { name: "swap", sites: 10, stream: { batches: 200, mixture, workload: { kind: "swap" } } },
  { name: "stationary", sites: 5, stream: { batches: 500, mixture } },
];

const wanted = (source: string): boolean => (option("only") ?? source) === source;

line([
  "data",
  "workload",
  "detector",
  "delay, batches",
  "found",
  "again",
  "false alarms / 1000 batches",
  "last error",
]);
line(["---", "---", "---", "--:", "--:", "--:", "--:", "--:"]);

if (wanted("bernoulli")) for (const p of [0.005, 0.02, 0.05, 0.1, 0.3]) bernoulli(p);
if (wanted("digits")) {
  const spec = DataSpec.parse({ kind: "idx", path: "mnist", fallback: "generated" });
  const digits = await loadData(spec, host, createRandom(1));
  for (const workload of mixed(tailored)) await measure("digits", digits, workload);
  const iid: Workload = { name: "iid, stationary", sites: 3, stream: { batches: 300 } };
  await measure("digits", digits, iid);
}
if (wanted("nsl-kdd")) {
  const connections = await loadData(nslKdd, host, createRandom(1));
  for (const workload of mixed({ kind: "dirichlet", alpha: 1 }))
    await measure("nsl-kdd", connections, workload);
}
if (wanted("natural")) {
  const load = (spec: DataSpec) => loadData(spec, host, createRandom(1));
  const natural = { kind: "natural", deal: "interleaved" };
  const sites = { kind: "natural", deal: "sites" };
  await measure("elec2", await load(elec2), {
    name: "natural",
    sites: 4,
    stream: { batch: 48, workload: { ...natural, changes: ELEC2_CHANGES } },
  });
  await measure("noaa-weather", await load(noaaWeather), {
    name: "natural",
    sites: 4,
    stream: { batch: 30, workload: natural },
  });
  await measure("beijing-air", await load(beijingAir()), {
    name: "natural",
    sites: 12,
    stream: { batch: 24, workload: sites },
  });
  await measure("heart-disease", await load(heartDisease), {
    name: "natural",
    sites: 4,
    stream: { batch: 10, workload: sites },
  });
}
