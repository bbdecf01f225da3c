/**
 * Files of an experiment that lie with its coordinator alone: its grid and its model travel with the run (needs
 * `npm run build` before).
 */
import { afterAll, beforeAll, expect, test } from "vitest";
import type { RunEvent } from "../../src/core/events.ts";
import { takeRunFiles, withFiles } from "../../src/run/run-files.ts";
import { MAX_BLOB, openBlobs } from "../../src/world/bus/blobs.ts";
import { SHARED_SECONDS } from "../../src/world/bus/buckets.ts";
import { sha256 } from "../../src/world/bus/digest.ts";
import { RUN_FILES } from "../../src/world/bus/names.ts";
import { connectNats } from "../../src/world/bus/nats.ts";
import { small } from "../sync/real.ts";
import { bytes } from "../world/bus-contract.ts";
import { natsOptions } from "../world/nats-server.ts";
import { type Agents, access, agents } from "./agents.ts";
import { clusterOf } from "./cluster-runs.ts";
import { bits, judged, traffic } from "./equal-bits.ts";
import { agentsAt, executeOn, runHostOn } from "./own-data.ts";
import { type Experiment, experiment, GRID, MODEL, SITES } from "./run-files.ts";

const BUCKET = { ttlSeconds: SHARED_SECONDS };

let there: Agents;
let own: Experiment;
beforeAll(async () => {
  [own, there] = [experiment(), await agents()];
});
afterAll(async () => {
  await there.stop();
  own.remove();
});
const cluster = () => ({ world: clusterOf(there) });
const quick = (more: Record<string, unknown>) =>
  small({ sites: SITES, stop: { maxClocks: 8 }, evaluate: { every: 4 }, ...more });

test.each([
  ["a grid", {}],
  ["a grid, and a model with its weights in a file beside it", { model: MODEL }],
])("%s: agents without files give the bits of one process", async (_, more) => {
  const virtual = await executeOn(own.folder, quick(more));
  const stop = await agentsAt(there, [own.nothing, own.nothing]);
  const real = await executeOn(own.folder, quick({ ...more, ...cluster() }), { cluster: access });
  await stop();
  expect(bits(real)).toEqual(bits(virtual));
  expect(judged(real)).toEqual(judged(virtual));
  expect(traffic(real)).toEqual(traffic(virtual));
});

test("a file that was changed in the bucket is refused, and nothing runs", async () => {
  const stop = await agentsAt(there, [own.nothing, own.nothing]);
  const bus = await connectNats(natsOptions(there.server));
  const blobs = await openBlobs(bus, RUN_FILES, BUCKET);
  const kv = await bus.kv(RUN_FILES, BUCKET);
  // Of the runs before there is nothing left.
  expect(await kv.keys()).toEqual([]);
  const changed: Promise<void>[] = [];
  // As somebody who may write there would: whole, with a digest that fits.
  await kv.watch("all", ({ key, value }) => {
    if (!value || key.includes(".piece.") || changed.length > 0) return;
    changed.push(blobs.put(key, bytes(GRID.replace("150", "151"))));
  });
  const events: RunEvent[] = [];
  const onEvent = (event: RunEvent): number => events.push(event);
  const run = executeOn(own.folder, quick(cluster()), { cluster: access, onEvent });
  await expect(run).rejects.toMatchObject({
    code: "RUN_FILE_CHANGED",
    message: expect.stringContaining("grids/two.yaml"),
  });
  expect(changed).toHaveLength(1);
  expect(events.filter(({ type }) => type === "clock" || type === "evaluation")).toEqual([]);
  await Promise.all(changed);
  await bus.close();
  await stop();
});

test("what is too long to travel must be the same here", async () => {
  const path = "models/weights.bin";
  const file = { path, bytes: MAX_BLOB + 1, sha256: await sha256(bytes("other")) };
  const buckets = { kv: () => Promise.reject(new Error("is not asked")) };
  const take = (folder: string) => takeRunFiles([file], buckets, runHostOn(folder, []));
  await expect(take(own.nothing)).rejects.toMatchObject({
    issues: [
      {
        code: "RUN_FILE_TOO_LONG",
        message: expect.stringMatching(/64000001 bytes, and files up to 64000000 .*no file models/),
        fix: expect.stringContaining("--data"),
      },
    ],
  });
  await expect(take(own.folder)).rejects.toMatchObject({ issues: [{ code: "RUN_FILE_DIFFERS" }] });
});

test("a host has the run's files in its first folder, and its own elsewhere", async () => {
  const contents = new Map([[SITES.file, bytes("the run's")]]);
  const { exists, readFile } = withFiles(runHostOn(own.folder, []), contents);
  expect(await readFile(`${own.folder}/${SITES.file}`)).toEqual(bytes("the run's"));
  expect(await exists(`${own.folder}/${MODEL.path}`)).toBe(true);
  expect(await exists(`${own.nothing}/${SITES.file}`)).toBe(false);
});
