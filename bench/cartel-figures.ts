/**
 * The figures of Cartel in docs/systems.md: each workload, data set and model over several seeds in the simulated world,
 * beside isolated and centralised (and federated) learning of the same streams; mean and standard deviation over seeds.
 *
 *   npx tsx bench/cartel-figures.ts [--data FOLDER] [--seeds 5] [--first 1] [--sites 10] [--batch 10] [--batches 1000] [--at 600]
 *     [--period 200] [--set mnist,nsl-kdd] [--model svm,forest,graph] [--workload introduction,fluctuation,stationary]
 *     [--between cartel,none,centralize] [--far] [--cartel '{"reportEvery":25}'] [--options '{"forest":{"trees":20}}']
 *     [--marks] [--curve] [--json FILE]
 *
 * Adaptation is that of src/run/stream-measures.ts, to a class that comes for the first time, and to one that comes again.
 * "faster" divides that of isolated learning by that of the row, seed by seed. `--curve` prints the mean error from 5
 * batches before a shift to 30 after, and each site's adaptation, `--marks` what happened at them; `--json` adds a line for each run to a file.
 */
import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { executeRun, newShared } from "../src/run/execute.ts";
import { moduleSource } from "../src/run/file/source.ts";
import { resolveRun } from "../src/run/load.ts";
import { compareRow } from "../src/run/rows.ts";
import {
  adaptationOf,
  errorOf,
  isLong,
  type StreamMeasures,
  segmentsOf,
} from "../src/run/stream-measures.ts";
import type { SiteStreamView } from "../src/run/stream-view.ts";
import { applyEvent, emptyView } from "../src/run/view.ts";
import { nslKdd } from "../test/data/streams-sources.ts";
import { machine } from "./harness.ts";

const option = (name: string, otherwise: string): string => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? otherwise : (process.argv[at + 1] ?? otherwise);
};
const listed = (name: string, otherwise: string): string[] => option(name, otherwise).split(",");
const DATA = option("data", process.env["PANGAEA_DATA"] ?? "../shared/data");
const SEEDS = Number(option("seeds", "5"));
/** The first seed: what is tuned is tuned on others than those reported. */
const FIRST = Number(option("first", "1"));
const SITES = Number(option("sites", "10"));
const BATCHES = Number(option("batches", "1000"));
const BATCH = Number(option("batch", "10"));
const AT = Number(option("at", "600"));
const PERIOD = Number(option("period", "200"));
const JSON_OUT = option("json", "");
const OPTIONS = JSON.parse(option("options", "{}")) as Record<string, object>;
const CARTEL = JSON.parse(option("cartel", "{}")) as object;

/**
 * Sites know neighbouring classes of a ring. Each site to which the class comes has a donor that is like it: beside it on
 * the ring of nine digits, and of the same mixture on the ring of four kinds of traffic. `--far` leaves the choice to
 * chance, and three donors to all five.
 */
const SETS: Record<
  string,
  {
    readonly data: object;
    readonly known: number;
    readonly classes: number;
    readonly places: object;
  }
> = {
  mnist: {
    data: { kind: "idx", path: "mnist" },
    known: 5,
    classes: 10,
    places: { targets: evens(SITES), donors: evens(SITES).map((site) => site + 1) },
  },
  "nsl-kdd": {
    data: nslKdd,
    known: 3,
    classes: 5,
    places: { targets: halfOf(SITES, 0), donors: halfOf(SITES, 1) },
  },
};

function evens(sites: number): number[] {
  return Array.from({ length: sites >> 1 }, (_, i) => 2 * i);
}

function halfOf(sites: number, part: 0 | 1): number[] {
  return Array.from({ length: sites >> 1 }, (_, i) => i + part * (sites >> 1));
}

const MODELS: Record<string, object> = {
  svm: { kind: "svm" },
  forest: { kind: "forest", trees: 10 },
  logistic: { kind: "logistic" },
  "naive-bayes": { kind: "naive-bayes" },
};
const network = (classes: number): object => ({
  kind: "graph",
  transfer: "boost",
  layers: ["flatten", { dense: 32 }, "relu", { dense: classes }],
});

const WORKLOADS: Record<string, object> = {
  introduction: { kind: "introduction", at: AT },
  fluctuation: { kind: "fluctuation", at: AT, period: PERIOD },
  gradual: { kind: "gradual", at: AT, span: 50 },
  swap: { kind: "swap", at: AT },
  stationary: { kind: "stationary" },
};

const BETWEENS: Record<string, object> = {
  cartel: { kind: "cartel", ...CARTEL },
  none: { kind: "none" },
  centralize: { kind: "centralize" },
  federated: { kind: "federated" },
};

const shared = newShared();

const [BEFORE, AFTER] = [5, 30];

interface Row extends StreamMeasures {
  readonly wanBytes: number;
  /** Error over the last quarter of the stream. */
  readonly late: number;
  /** Operations of training, of all that train. */
  readonly allFlops: number;
  /** Batches to adapt to a class that comes for the first time, again, and to one that goes; NaN where none did. */
  readonly firstComes: number;
  readonly comesAgain: number;
  readonly goes: number;
  /** Batches to adapt, of each shift. */
  readonly adaptations: readonly number[];
  /** Mean error at each batch around the shifts. */
  readonly curve: readonly number[];
}

async function once(
  set: string,
  model: string,
  workload: string,
  between: string,
  seed: number,
): Promise<Row> {
  const { data, known, classes, places } = SETS[set]!;
  const where = process.argv.includes("--far") ? { targets: SITES >> 1, donors: 3 } : places;
  const comes = workload !== "stationary" && workload !== "swap";
  const mixture =
    workload === "stationary" && set !== "mnist"
      ? { kind: "iid" }
      : { kind: "classes", count: known };
  const { spec } = resolveRun(
    moduleSource(
      {
        version: 1,
        name: `${set} ${model} ${workload} ${between}`,
        seed,
        data: {
          ...data,
          stream: {
            batch: BATCH,
            batches: BATCHES,
            mixture,
            workload: { ...WORKLOADS[workload], ...(comes ? where : {}) },
          },
        },
        model: { ...(model === "graph" ? network(classes) : MODELS[model]), ...OPTIONS[model] },
        sites: { count: SITES, bandwidthMbps: 50, rttMs: 80, processor: { gflops: 1 } },
        between: BETWEENS[between],
        policy: { default: { records: between === "centralize" ? "may-move" : "stay" } },
      },
      "bench/cartel-figures.ts",
    ),
  );
  const view = emptyView();
  await executeRun(
    spec,
    {
      roots: [DATA],
      exists: async (path) => existsSync(path),
      readFile: async (path) => readFileSync(path),
      threads: 0,
      signal: new AbortController().signal,
      onEvent: (event) => {
        applyEvent(view, event);
        if (process.argv.includes("--marks") && event.type === "mark" && between === "cartel")
          process.stdout.write(
            `  ${event.batch} ${event.site} ${event.mark} ${event.peer ?? ""} ${event.text ?? ""}\n`,
          );
      },
    },
    shared,
  );
  const row = compareRow(view, spec);
  const sites = [...(view.streams?.sites.values() ?? [])];
  if (process.argv.includes("--marks"))
    for (const site of sites)
      for (const { from, to } of segmentsOf(site)) {
        const parts = Array.from({ length: Math.ceil((to - from) / 20) }, (_, i) =>
          (100 * errorOf(site, from + 20 * i, Math.min(to, from + 20 * (i + 1)))).toFixed(0),
        );
        process.stdout.write(`  ${between} ${site.id} from ${from}, by 20: ${parts.join(" ")}\n`);
      }
  const shifts = sites.flatMap((site) => segmentsOf(site).map((segment) => ({ site, segment })));
  return {
    ...row.streams!,
    wanBytes: row.wanBytes,
    late: lateError(sites),
    allFlops: [
      ...sites.map(({ trainFlops }) => trainFlops),
      ...(view.streams?.centreFlops.values() ?? []),
    ].reduce((all, flops) => all + flops, 0),
    ...comings(sites),
    adaptations: shifts.map(({ site, segment }) => adaptationOf(site, segment).batches),
    curve: Array.from({ length: BEFORE + AFTER }, (_, i) => {
      const errors = shifts.map(({ site, segment: { from } }) => {
        const batch = from - BEFORE + i;
        return errorOf(site, batch, batch + 1);
      });
      return errors.reduce((all, error) => all + error, 0) / errors.length;
    }),
  };
}

const lateError = (sites: readonly SiteStreamView[]): number => {
  const late = sites.map((site) => errorOf(site, Math.floor(0.75 * BATCHES), BATCHES));
  return late.reduce((all, error) => all + error, 0) / late.length;
};

/** Of fluctuation every second shift is a class that goes. */
function comings(sites: readonly SiteStreamView[]) {
  const of = (fits: (turn: number) => boolean): number => {
    const took = sites.flatMap((site) =>
      segmentsOf(site)
        .filter((segment, turn) => fits(turn) && isLong(site, segment))
        .map((segment) => adaptationOf(site, segment).batches),
    );
    return took.reduce((all, batches) => all + batches, 0) / took.length;
  };
  return {
    firstComes: of((turn) => turn === 0),
    comesAgain: of((turn) => turn > 0 && turn % 2 === 0),
    goes: of((turn) => turn % 2 === 1),
  };
}

interface Spread {
  readonly mean: number;
  readonly deviation: number;
}

function spread(values: readonly (number | null)[]): Spread {
  const known = values.filter((value): value is number => value !== null && !Number.isNaN(value));
  const mean = known.reduce((all, value) => all + value, 0) / known.length;
  const square = known.reduce((all, value) => all + (value - mean) ** 2, 0);
  return { mean, deviation: Math.sqrt(square / Math.max(1, known.length - 1)) };
}

const text = ({ mean, deviation }: Spread, digits: number, unit = ""): string =>
  Number.isNaN(mean) ? "" : `${mean.toFixed(digits)} ± ${deviation.toFixed(digits)}${unit}`;

const HEAD = [
  "data",
  "model",
  "workload",
  "between",
  "error, %",
  "last quarter, %",
  "after shifts, %",
  "adapted, %",
  "first adapts in",
  "faster",
  "again",
  "faster",
  "requests : accepted",
  "false a 1,000",
  "WAN kB",
  "model kB",
  "training MFLOP",
];

const line = (cells: readonly string[]): void => {
  process.stdout.write(`| ${cells.join(" | ")} |\n`);
};

process.stdout.write(
  `${SITES} sites x ${BATCHES} batches of ${BATCH}, ${SEEDS} seeds; ${machine()}\n\n`,
);
line(HEAD);
line(HEAD.map(() => "---"));
for (const set of listed("set", "mnist,nsl-kdd"))
  for (const model of listed("model", "svm,forest,graph"))
    for (const workload of listed("workload", "introduction,fluctuation,stationary")) {
      const rows = new Map<string, Row[]>();
      const betweens = listed("between", "cartel,none,centralize");
      for (const between of betweens) {
        const of: Row[] = [];
        for (let seed = FIRST; seed < FIRST + SEEDS; seed++) {
          const row = await once(set, model, workload, between, seed);
          of.push(row);
          if (JSON_OUT) {
            const what = { set, model, workload, between, seed, batch: BATCH, batches: BATCHES };
            appendFileSync(JSON_OUT, `${JSON.stringify({ ...what, ...row })}\n`);
          }
        }
        rows.set(between, of);
      }
      if (process.argv.includes("--curve"))
        for (const [between, of] of rows) {
          const mean = of[0]!.curve.map((_, i) => spread(of.map(({ curve }) => curve[i]!)).mean);
          const percents = mean.map((error) => (100 * error).toFixed(0)).join(" ");
          process.stdout.write(
            `  ${between}: ${percents}; ${of.map((row) => row.adaptations.join(" ")).join(", ")}\n`,
          );
        }
      for (const [between, of] of rows) {
        const alone = rows.get("none");
        // A site that adapts within the batch of the shift itself counts as one batch.
        const faster = (batches: (row: Row) => number) =>
          text(
            spread(
              of.map((row, i) => {
                const ratio =
                  alone?.[i] && Math.max(1, batches(alone[i])) / Math.max(1, batches(row));
                return Number.isNaN(ratio ?? Number.NaN) ? null : (ratio ?? null);
              }),
            ),
            1,
            "x",
          );
        const first = ({ firstComes }: Row) => firstComes;
        const again = ({ comesAgain }: Row) => comesAgain;
        const share = (pick: (row: Row) => number | null): string =>
          text(spread(of.map((row) => (pick(row) === null ? null : 100 * pick(row)!))), 1);
        line([
          set,
          model,
          workload,
          between,
          share((row) => row.error),
          share((row) => row.late),
          share((row) => row.errorAfterShifts),
          share((row) => row.adapted),
          text(spread(of.map(first)), 1),
          faster(first),
          text(spread(of.map(again)), 1),
          faster(again),
          `${text(spread(of.map((row) => row.requests)), 1)} : ${text(spread(of.map((row) => row.accepted)), 1)}`,
          text(spread(of.map((row) => row.falseRequestsPer1000)), 2),
          text(spread(of.map((row) => row.wanBytes / 1e3)), 1),
          text(spread(of.map((row) => row.modelBytes / 1e3)), 1),
          text(spread(of.map((row) => row.trainFlops / 1e6)), 1),
        ]);
      }
    }
