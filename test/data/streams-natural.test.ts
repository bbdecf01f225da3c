import { existsSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { createRandom } from "../../src/core/random.ts";
import { CsvSchema } from "../../src/data/csv-schema.ts";
import { type DataHost, type LoadedData, loadData } from "../../src/data/load.ts";
import type { DataSpec } from "../../src/data/spec.ts";
import { batchesOf, batchRows } from "../../src/data/streams/contract.ts";
import { planStreams } from "../../src/data/streams/plan.ts";
import { StreamSpec } from "../../src/data/streams/spec.ts";
import { DATA, histogram } from "./files.ts";
import {
  beijingAir,
  ELEC2_CHANGES,
  elec2,
  heartDisease,
  noaaWeather,
  nslKdd,
} from "./streams-sources.ts";

const disk: DataHost = {
  roots: [DATA],
  exists: async (path) => existsSync(path),
  readFile: async (path) => readFileSync(path),
};
const load = (spec: DataSpec): Promise<LoadedData> => loadData(spec, disk, createRandom(1));
const streamsOf = ({ train, natural, classNames }: LoadedData, sites: number, stream: object) =>
  planStreams({
    spec: StreamSpec.parse(stream),
    dataset: train,
    sites,
    natural,
    classNames,
    random: createRandom(1),
  });

describe("real streams in their own order", () => {
  test("elec2: every row once, in time order, the known change where it is", async () => {
    const data = await load(elec2);
    expect([data.train.rows, data.test.rows]).toEqual([45_312, 0]);
    const workload = { kind: "natural", changes: ELEC2_CHANGES };
    const streams = streamsOf(data, 4, { batch: 48, workload });
    expect(streams.map(batchesOf)).toEqual([236, 236, 236, 236]);
    expect(streams.map(({ shifts }) => shifts[0]!.batch)).toEqual([90, 90, 90, 90]);
    const one = streamsOf(data, 1, { batch: 48, workload })[0]!;
    expect(one.shifts[0]!.batch).toBe(363); // 363 days of 48 half-hours
    if (data.train.kind !== "dense") throw new Error("dense");
    const { features, shape, labels } = data.train;
    const price = (row: number) => features[row * shape[0]! + 3]!;
    expect(new Set(Array.from(batchRows(one, 362), price)).size).toBe(1);
    expect(new Set(Array.from(batchRows(one, 363), price)).size).toBeGreaterThan(1);
    expect(histogram(labels)).toEqual([26_075, 19_237]);
  });

  test("noaa-weather: contiguous stretches are decades, none is missing", async () => {
    const data = await load(noaaWeather);
    const streams = streamsOf(data, 5, {
      batch: 30,
      workload: { kind: "natural", deal: "contiguous" },
    });
    expect(streams.map(({ rows }) => rows[0])).toEqual([0, 3631, 7263, 10895, 14527]);
    expect(streams.map(batchesOf)).toEqual([121, 121, 121, 121, 121]);
  });

  test("beijing-air: a station a site, hour by hour, PM2.5 in six levels", async () => {
    const data = await load(beijingAir(["Huairou", "Dongsi"]));
    expect(data.natural?.names).toEqual(["Huairou", "Dongsi"]);
    expect(data.classNames).toEqual([
      "at most 35",
      "above 35",
      "above 75",
      "above 115",
      "above 150",
      "above 250",
    ]);
    const [huairou, dongsi] = streamsOf(data, 2, {
      batch: 24,
      workload: { kind: "natural", deal: "sites" },
    });
    // 35,064 hours less those without PM2.5.
    expect(batchesOf(huairou!)).toBe(Math.floor((35_064 - 953) / 24));
    expect(batchesOf(dongsi!)).toBe(Math.floor((35_064 - 750) / 24));
    expect(huairou!.rows.every((row, k, rows) => k === 0 || row > rows[k - 1]!)).toBe(true);
    expect(huairou!.rows.every((row) => data.natural!.of[row] === 0)).toBe(true);
  });

  test("heart-disease: four hospitals of unequal size", async () => {
    const data = await load(heartDisease);
    const workload = { kind: "natural", deal: "sites" };
    const streams = streamsOf(data, 4, { batch: 10, workload });
    expect(streams.map(batchesOf)).toEqual([30, 29, 12, 20]);
  });

  test("nsl-kdd: a group of attacks comes to the target by its name", async () => {
    const data = await load(nslKdd);
    expect(data.classNames).toEqual(["normal", "dos", "probe", "u2r", "r2l"]);
    if (data.train.kind !== "dense") throw new Error("dense");
    const { labels } = data.train;
    expect(histogram(labels)).toEqual([23_160, 16_694, 4_710, 78, 3_094]);
    const workload = { kind: "introduction", class: "probe", at: 20, targets: [0], donors: [1] };
    const streams = streamsOf(data, 3, { batches: 40, workload });
    const probes = streams.map((stream) =>
      [stream.rows.slice(0, 1000), stream.rows.slice(1000)].map(
        (rows) => rows.filter((row) => labels[row] === 2).length,
      ),
    );
    expect(probes[0]![0]).toBe(0);
    expect(Math.abs(probes[0]![1]! - 300)).toBeLessThan(60);
    expect(Math.abs(probes[1]![0]! - 300)).toBeLessThan(60);
    expect(probes[2]).toEqual([0, 0]);
    expect(streams[0]!.shifts[0]!.what).toBe("probe comes (30 %)");
  });
});

test("levels: thresholds ascend, and a number on one is below it", async () => {
  const levels = (thresholds: number[]) => ({
    columns: { x: "numeric", y: "label" },
    label: { as: "levels", thresholds },
  });
  expect(CsvSchema.safeParse(levels([2, 1])).success).toBe(false);
  const spec = { kind: "csv", path: "t.csv", testShare: 0, split: { by: "iid" } } as const;
  const host: DataHost = {
    roots: ["/d"],
    exists: async () => true,
    readFile: async () => new TextEncoder().encode("x,y\n1,0\n2,10\n3,10.5\n4,20\n5,99\n"),
  };
  const schema = CsvSchema.parse(levels([10, 20]));
  const { train } = await loadData({ ...spec, schema }, host, createRandom(1));
  expect(train.kind === "dense" && [...train.labels]).toEqual([0, 0, 1, 1, 2]);
});
