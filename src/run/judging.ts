/** Judges the copies of a run on its test rows and says whether that ends the run. */
import type { Dataset } from "../core/dataset.ts";
import { InputError } from "../core/errors.ts";
import type { EvaluationEvent, RunEnded } from "../core/events.ts";
import type { Kernels } from "../core/kernels/contract.ts";
import { createRandom } from "../core/random.ts";
import type { Micros } from "../core/units.ts";
import type { SitePlan } from "../sync/contract.ts";
import type { ComputePool } from "../world/compute/contract.ts";
import { type Judge, judgeAll, type Sighting, type Verdict } from "./observer.ts";
import { type Ground, LEARNER, type RunPlan, TEST } from "./plan.ts";
import type { Judged } from "./recording.ts";
import type { RunSpec } from "./spec.ts";
import { ChangeWindow, meetsTarget } from "./stop.ts";

export class Judging {
  readonly #spec: RunSpec;
  readonly #data: Ground["data"];
  readonly #sites: readonly SitePlan[];
  readonly #pool: Pick<ComputePool, "judge">;
  readonly #change: ChangeWindow | undefined;
  #rows: Uint32Array | undefined;
  #rowsOfWorkers: ReadonlyMap<number, Uint32Array> | undefined;

  constructor(
    spec: RunSpec,
    { data }: Ground,
    { sites }: RunPlan,
    tools: { readonly pool: Pick<ComputePool, "judge">; readonly kernels: Kernels },
  ) {
    this.#spec = spec;
    this.#data = data;
    this.#sites = sites;
    this.#pool = tools.pool;
    const { change, changeWindow } = spec.stop;
    this.#change = change === undefined ? undefined : new ChangeWindow(changeWindow, tools.kernels);
  }

  /** While the run goes on: each copy on its share of the test rows, and how far the model moved. */
  async at(sighting: Sighting): Promise<Judged> {
    const verdict = await judgeAll(sighting, this.#judge, this.#tests, "share");
    return { ...verdict, change: this.#change?.measure(sighting) };
  }

  /** At the end: every copy on all test rows, where there are not too many copies. */
  last(sighting: Sighting): Promise<Verdict> {
    const coverage = sighting.snapshots.length > 64 ? "share" : "all";
    return judgeAll(sighting, this.#judge, this.#tests, coverage);
  }

  readonly #judge: Judge = (parameters, rows, own) =>
    this.#pool.judge({ learner: LEARNER, dataset: TEST, rows, parameters, own });

  /** Test rows, and those whose private parameters lie at a worker. */
  get #tests() {
    this.#rows ??= createRandom(this.#spec.seed, "run")
      .stream("test")
      .shuffle(Uint32Array.from({ length: this.#data.test.rows }, (_, i) => i));
    return { rows: this.#rows, ofWorker: (worker: number) => this.#ofWorkers.get(worker) };
  }

  get #ofWorkers(): ReadonlyMap<number, Uint32Array> {
    this.#rowsOfWorkers ??= testRowsOfWorkers(this.#sites, this.#data);
    return this.#rowsOfWorkers;
  }
}

/** Whether a judgement ends the run. */
export function verdictEnds(
  { stop }: RunSpec,
  { metrics, change }: Judged,
): RunEnded["reason"] | undefined {
  if (stop.atTarget === "stop" && meetsTarget(stop, metrics)) return "target";
  const settled = stop.change !== undefined && change !== undefined && change < stop.change;
  return settled ? "change" : undefined;
}

export const evaluation = (
  t: Micros,
  clock: number,
  { metrics, sites, change }: Verdict & { readonly change?: number | undefined },
  final = false,
): EvaluationEvent => ({
  type: "evaluation",
  t,
  clock,
  ...(final ? { final } : {}),
  metrics,
  ...(sites ? { sites } : {}),
  ...(change === undefined ? {} : { change }),
});

/** Which test ratings belong to the users whose factors lie at a worker. */
function testRowsOfWorkers(
  sites: readonly SitePlan[],
  { train, test }: { readonly train: Dataset; readonly test: Dataset },
): ReadonlyMap<number, Uint32Array> {
  if (train.kind !== "ratings" || test.kind !== "ratings") return new Map();
  const workerOf = new Int32Array(train.userCount).fill(-1);
  for (const { workers } of sites) {
    for (const { number, rows } of workers) {
      for (const row of rows) {
        const user = train.users[row] as number;
        const before = workerOf[user] as number;
        if (before !== -1 && before !== number) {
          const message = "a user's ratings lie at more than one worker";
          throw new InputError([{ code: "SPLIT_USERS", message, fix: "split: { by: user }" }]);
        }
        workerOf[user] = number;
      }
    }
  }
  const rows = new Map<number, number[]>();
  for (let row = 0; row < test.rows; row++) {
    const worker = workerOf[test.users[row] as number] as number;
    if (worker < 0) continue;
    const list = rows.get(worker);
    if (list) list.push(row);
    else rows.set(worker, [row]);
  }
  return new Map([...rows].map(([worker, list]) => [worker, Uint32Array.from(list)] as const));
}
