/** Runs on streams from a specification to events and models, in virtual time; a plain loop beside them as oracle. */
import { existsSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { readHeaded } from "../../src/codec/headed.ts";
import type { RunEvent } from "../../src/core/events.ts";
import { createRandom } from "../../src/core/random.ts";
import { loadData } from "../../src/data/load.ts";
import { batchesOf, batchRows } from "../../src/data/streams/contract.ts";
import { createTailored } from "../../src/model/online/create.ts";
import { executeRun } from "../../src/run/execute.ts";
import { modelFiles } from "../../src/run/files.ts";
import { loadGrid } from "../../src/run/presets/load.ts";
import { compareRow } from "../../src/run/rows.ts";
import { RunSpec } from "../../src/run/spec.ts";
import { planStreamRun } from "../../src/run/stream-plan.ts";
import { emptyView, foldEvents } from "../../src/run/view.ts";
import { ROOT } from "../house/source.ts";
import { type Executed, execute } from "../sync/real.ts";

const host = { roots: [""], exists: async () => false, readFile: async () => new Uint8Array() };

const stream = {
  batch: 20,
  batches: 30,
  rate: 10,
  mixture: { kind: "classes", count: 4 },
  workload: { kind: "introduction", at: 15, targets: 1, donors: 1 },
};
const spec = (more: Record<string, unknown> = {}): RunSpec =>
  RunSpec.parse({
    version: 1,
    name: "streams",
    data: { kind: "digits", rows: 1500, testRows: 10, stream },
    model: { kind: "svm" },
    sites: { count: 3, bandwidthMbps: 20, rttMs: 20, processor: { gflops: 1 } },
    between: { kind: "none" },
    policy: { default: { records: "may-move" } },
    ...more,
  });

const only = <T extends RunEvent["type"]>({ events }: Executed, type: T) =>
  events.filter((event): event is Extract<RunEvent, { type: T }> => event.type === type);

/** What the run stands on: its streams, its rows. */
async function groundOf(of: RunSpec) {
  const data = await loadData(of.data, host, createRandom(of.seed, "data"));
  const grid = await loadGrid(of.sites, host);
  const plan = planStreamRun(of, { data, grid }, { attach: () => {} });
  return { data, plan };
}

describe("isolated learning", () => {
  test("is the plain loop over each stream: predict, count, learn", async () => {
    const run = await execute(spec());
    const { data, plan } = await groundOf(spec());
    const { train } = data;
    if (train.kind !== "dense") throw new Error("dense");
    for (const { id, stream: own } of plan.sites) {
      const model = createTailored(
        { kind: "svm" },
        { kind: "dense", shape: train.shape, classes: train.classes },
        createRandom(1),
      );
      const errors: number[] = [];
      for (let k = 0; k < batchesOf(own); k++) {
        const batch = { dataset: train, rows: batchRows(own, k) };
        const out = new Int32Array(batch.rows.length);
        await model.predict(batch, out);
        errors.push(out.filter((c, i) => c !== train.labels[batch.rows[i]!]).length);
        await model.learn(batch);
      }
      const seen = only(run, "stream").filter(({ site }) => site === id);
      expect(seen.map((event) => event.errors)).toEqual(errors);
      const saved = run.outcome.tailored?.find(({ site }) => site === id)?.saved;
      expect(saved).toEqual(model.save());
    }
  });

  test("nothing crosses, batches come at their times, shifts are marked", async () => {
    const run = await execute(spec());
    expect(run.outcome.reason).toBe("finished");
    expect(only(run, "traffic").filter(({ wan }) => wan)).toEqual([]);
    for (const { batch, t } of only(run, "stream")) {
      expect(t).toBeGreaterThan((batch + 1) * 100_000);
      expect(t).toBeLessThan((batch + 2) * 100_000);
    }
    const shifts = only(run, "mark").filter(({ mark }) => mark === "shift");
    expect(shifts.map(({ batch }) => batch)).toEqual([15]);
    expect(shifts[0]?.text).toMatch(/comes \(30 %\)/);
    const counts = only(run, "stream").map(({ classCounts = [] }) =>
      classCounts.reduce((sum, count) => sum + count, 0),
    );
    expect(new Set(counts)).toEqual(new Set([20]));
  });

  test("on a slow processor learning takes its time, and batches wait for each other", async () => {
    const sites = { count: 3, bandwidthMbps: 20, rttMs: 20, processor: { msPerBatch: 100 } };
    const run = await execute(spec({ sites }));
    // Predicting and learning are 100 ms each, and a batch arrives every 100 ms.
    const [first] = only(run, "stream").map(({ site }) => site);
    const times = only(run, "stream").flatMap(({ site, t }) => (site === first ? [t] : []));
    expect(times).toEqual(times.map((_, k) => 300_000 + 200_000 * k));
  });
});

describe("same seed, same bytes", () => {
  test.each(["none", "centralize", "federated", "cartel"])("%s", async (kind) => {
    const more = { between: { kind } };
    const [one, two] = [await execute(spec(more)), await execute(spec(more))];
    expect(two.events).toEqual(one.events);
    expect(two.outcome.tailored).toEqual(one.outcome.tailored);
    expect((await execute(spec({ ...more, seed: 2 }))).events).not.toEqual(one.events);
  });

  test.each(["forest", "naive-bayes", "logistic"])("a %s", async (kind) => {
    const [one, two] = [
      await execute(spec({ model: { kind } })),
      await execute(spec({ model: { kind } })),
    ];
    expect(two.events).toEqual(one.events);
  });

  test("a graph, whose arithmetic comes back in real time", async () => {
    const layers = ["flatten", { dense: 8 }, "relu", { dense: 10 }];
    const run = () => execute(spec({ model: { kind: "graph", layers } }));
    const [one, two] = [await run(), await run()];
    expect(two.events).toEqual(one.events);
    expect(only(one, "stream").every(({ flops }) => flops > 0)).toBe(true);
  });
});

describe("centralised learning", () => {
  const central = { between: { kind: "centralize", everyBatches: 5 } };

  test("ships every record once, and trains at one place", async () => {
    const run = await execute(spec(central));
    const { data } = await groundOf(spec(central));
    if (data.train.kind !== "dense") throw new Error("dense");
    const width = data.train.features.BYTES_PER_ELEMENT * 28 * 28 + 4;
    const shipped = only(run, "traffic").filter(({ kind, wan }) => wan && kind.endsWith(".batch"));
    const bytes = shipped.reduce((sum, event) => sum + event.bytes, 0);
    // Two of three sites ship; frames and TCP/IP headers are counted.
    expect(bytes).toBeGreaterThan(2 * 600 * width);
    expect(bytes).toBeLessThan(1.1 * 2 * 600 * width);
    expect(only(run, "stream").every(({ flops }) => flops === 0)).toBe(true);
    const trained = only(run, "metric").filter(({ name }) => name === "centralize.trainFlops");
    const learned = trained.reduce((sum, { value }) => sum + value, 0);
    const measured = compareRow(foldEvents(run.events), spec(central)).streams;
    expect(measured?.trainFlops).toBe(learned);
  });

  test("sites predict with the last model that they got: all have the same in the end", async () => {
    const { outcome } = await execute(spec(central));
    const saved = outcome.tailored?.map((one) => one.saved) ?? [];
    expect(saved).toHaveLength(3);
    expect(saved[1]).toEqual(saved[0]);
    expect(saved[2]).toEqual(saved[0]);
  });

  test("is refused by the network where records must stay", async () => {
    const staying = spec({ ...central, policy: { default: { records: "stay" } } });
    await expect(execute(staying)).rejects.toThrow(/records/);
  });

  test("a site that is down does not hold the centre up", async () => {
    const faults = [{ kind: "crash", node: "site-2/peer-0", at: 0.5, restartAfter: 1 }];
    const run = await execute(spec({ ...central, faults }));
    const trained = only(run, "metric").filter(({ name }) => name === "centralize.trainFlops");
    // Batches of two sites make a round once one of them has two.
    expect(trained.length).toBeGreaterThan(20);
    const lost = only(run, "stream").filter(({ site }) => site === "site-2");
    expect(lost.length).toBeLessThan(25);
    expect(run.outcome.reason).toBe("finished");
  });
});

describe("federated averaging", () => {
  const federated = { between: { kind: "federated", everyBatches: 10 } };

  test("after a round every site has the mean, by examples", async () => {
    const run = await execute(spec(federated));
    const rounds = only(run, "metric").filter(({ name }) => name === "federated.round");
    expect(rounds.map(({ value }) => value)).toEqual([1, 2]); // the third ends with the streams
    const { data, plan } = await groundOf(spec(federated));
    const { train } = data;
    if (train.kind !== "dense") throw new Error("dense");
    const shape = { kind: "dense", shape: train.shape, classes: train.classes } as const;
    const fresh = () => createTailored({ kind: "svm" }, shape, createRandom(1));
    // The first ten batches alone, then the mean; the eleventh is predicted by it.
    const saved: Uint8Array[] = [];
    for (const { stream: own } of plan.sites) {
      const model = fresh();
      for (let k = 0; k < 10; k++) await model.learn({ dataset: train, rows: batchRows(own, k) });
      saved.push(model.save());
    }
    const mean = fresh();
    mean.average?.(saved, [200, 200, 200]);
    for (const { id, stream: own } of plan.sites) {
      // The mean is there when the eleventh batch has been learned: it predicts the twelfth.
      const rows = batchRows(own, 11);
      const out = new Int32Array(rows.length);
      await mean.predict({ dataset: train, rows }, out);
      const errors = out.filter((c, i) => c !== train.labels[rows[i]!]).length;
      const seen = only(run, "stream").find(({ site, batch }) => site === id && batch === 11);
      expect(seen?.errors).toBe(errors);
    }
  });

  test("of forests every site gets a sample of the sites' trees", async () => {
    const run = await execute(spec({ ...federated, model: { kind: "forest", trees: 5 } }));
    const rounds = only(run, "metric").filter(({ name }) => name === "federated.round");
    expect(rounds).toHaveLength(2);
    expect(run.outcome.reason).toBe("finished");
  });

  test("a partition costs rounds their missing sites, and nobody a batch", async () => {
    const faults = [{ kind: "partition", a: "site-0", b: "site-1", at: 0.2, for: 1.5 }];
    const run = await execute(spec({ ...federated, faults }));
    expect(only(run, "stream")).toHaveLength(90);
    expect(run.outcome.reason).toBe("finished");
  });
});

describe("a site that restarts", () => {
  const restart = (at: number) => ({
    faults: [{ kind: "crash", node: "site-1/peer-0", at, restartAfter: 0.1 }],
  });

  test("goes on with the model that it saved, at the batch that arrives next", async () => {
    // Saved after batch 19, at 2.0 s and a little; batches come every 0.1 s.
    const run = await execute(spec(restart(2.45)));
    const { data, plan } = await groundOf(spec());
    const { train } = data;
    if (train.kind !== "dense") throw new Error("dense");
    const shape = { kind: "dense", shape: train.shape, classes: train.classes } as const;
    const model = createTailored({ kind: "svm" }, shape, createRandom(1));
    const seen = only(run, "stream").filter(({ site }) => site === "site-1");
    const batches = seen.map(({ batch }) => batch);
    const back = batches.findIndex((batch, i) => batch !== i);
    expect(batches.slice(back)).toEqual([...Array(30).keys()].slice(batches[back]));
    const own = plan.sites[1]!.stream;
    const batchOf = (k: number) => ({ dataset: train, rows: batchRows(own, k) });
    for (let k = 0; k < 20; k++) await model.learn(batchOf(k));
    for (const { batch, errors } of seen.slice(back)) {
      const { rows } = batchOf(batch);
      const out = new Int32Array(rows.length);
      await model.predict({ dataset: train, rows }, out);
      expect(out.filter((c, i) => c !== train.labels[rows[i]!]).length).toBe(errors);
      await model.learn(batchOf(batch));
    }
    expect(run.outcome.tailored?.[1]?.saved).toEqual(model.save());
  });

  test("before it has saved one begins anew", async () => {
    const run = await execute(spec(restart(1.05)));
    const seen = only(run, "stream").filter(({ site }) => site === "site-1");
    expect(seen.length).toBeLessThan(30);
    expect(new Set(seen.map(({ batch }) => batch)).size).toBe(seen.length);
    expect(run.outcome.reason).toBe("finished");
  });
});

describe("ends", () => {
  test("maxSeconds ends the run before its streams", async () => {
    const run = await execute(spec({ stop: { maxSeconds: 1 } }));
    expect(run.outcome.reason).toBe("maxSeconds");
    expect(only(run, "stream").every(({ t }) => t <= 1_100_000)).toBe(true);
    expect(run.outcome.tailored).toHaveLength(3);
  });

  test("an abort ends it with the models that there are", async () => {
    const controller = new AbortController();
    const onEvent = (event: RunEvent): void => {
      if (event.type === "stream" && event.batch === 3) controller.abort();
    };
    const run = await execute(spec(), { signal: controller.signal, onEvent });
    expect(run.outcome.reason).toBe("interrupted");
    expect(run.events.at(-1)).toMatchObject({ type: "end", reason: "interrupted" });
    expect(run.outcome.tailored).toHaveLength(3);
  });

  test("the models are files with a header that says what they are, and come back from them", async () => {
    const { outcome } = await execute(spec());
    const files = modelFiles("streams", outcome, emptyView());
    expect(files.map(({ path }) => path)).toEqual(
      [0, 1, 2].map((i) => `models/site-${i}.tailored`),
    );
    const { header, body } = readHeaded(files[0]!.content as Uint8Array, files[0]!.path);
    expect(header).toMatchObject({ run: "streams", site: "site-0", kind: "svm", classes: 10 });
    const shape = { kind: "dense", shape: [1, 28, 28], classes: 10 } as const;
    const model = createTailored({ kind: "svm" }, shape, createRandom(1));
    model.restore(body);
    expect(model.save()).toEqual(outcome.tailored?.[0]?.saved);
  });
});

test("a small network that is brought as a file learns on streams, in every world", async () => {
  const path = "examples/bring-your-own-onnx/digits.onnx";
  const given = {
    roots: [`${ROOT}/`],
    threads: 0,
    exists: async (file: string) => existsSync(file),
    readFile: async (file: string) => readFileSync(file),
    signal: new AbortController().signal,
  };
  const errorsIn = async (world: string): Promise<number[]> => {
    const events: RunEvent[] = [];
    const model = { kind: "graph", path, transfer: "boost", rate: 0.1 };
    const run = spec({ model, world, data: { ...spec().data, stream: { ...stream, rate: 20 } } });
    await executeRun(run, { ...given, onEvent: (event) => events.push(event) });
    return events
      .flatMap((event) => (event.type === "stream" && event.site === "site-0" ? [event] : []))
      .map(({ errors }) => errors);
  };
  const virtual = await errorsIn("simulated");
  expect(virtual).toHaveLength(30);
  expect(await errorsIn("local")).toEqual(virtual);
}, 20_000);
