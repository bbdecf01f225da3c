/** Files of an experiment travel with runs of every kind, and to agents that a run starts (needs `npm run build` before). */
import { afterAll, beforeAll, expect, test } from "vitest";
import { packageVersion } from "../../src/cli/folders.ts";
import { small } from "../sync/real.ts";
import { type Agents, access, agents } from "./agents.ts";
import { clusterOf } from "./cluster-runs.ts";
import { bits } from "./equal-bits.ts";
import { agentsAt, executeOn, heart, hospitals, put } from "./own-data.ts";
import { type Experiment, experiment, GRID, MODEL, SITES } from "./run-files.ts";
import { batchErrors, onStreams } from "./stream-runs.ts";

const LEARNS_ONLINE = { kind: "graph", path: MODEL.path, transfer: "boost" };

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

test("a run on streams takes them along", async () => {
  const spec = (more = {}) =>
    onStreams({ sites: { file: SITES.file }, model: LEARNS_ONLINE, ...more });
  const virtual = await executeOn(own.folder, spec());
  const stop = await agentsAt(there, [own.nothing, own.nothing]);
  const real = await executeOn(own.folder, spec(cluster()), { cluster: access });
  await stop();
  expect(batchErrors(real)).toEqual(batchErrors(virtual));
  expect(real.outcome.tailored).toEqual(virtual.outcome.tailored);
});

test("records stay at their sites, the grid comes to them", async () => {
  const folders = hospitals();
  for (const folder of [folders.all, folders.test]) put(folder, SITES.file, GRID);
  const virtual = await executeOn(folders.all, heart({ sites: SITES }));
  const stop = await agentsAt(there, folders.sites.slice(0, 2));
  const real = await executeOn(folders.test, heart({ sites: SITES, ...cluster() }), {
    cluster: access,
  });
  await stop();
  folders.remove();
  expect(bits(real)).toEqual(bits(virtual));
});

test("agents that the run starts have neither grid nor model in their folder", async () => {
  const place = { kind: "cluster", place: { kind: "processes" } };
  const spec = (more = {}) =>
    small({ sites: SITES, model: MODEL, stop: { maxClocks: 4 }, evaluate: { every: 4 }, ...more });
  const virtual = await executeOn(own.folder, spec());
  // The first folder is what they are told of.
  const real = await executeOn(own.folder, spec({ world: place }), {
    roots: [own.nothing, own.folder],
    cluster: { version: packageVersion(), insecure: true },
  });
  expect(bits(real)).toEqual(bits(virtual));
});
