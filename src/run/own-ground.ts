/**
 * What a run stands on whose records stay at their sites. Where it is led: the test rows, and what the sites tell of
 * their records. At a host: the records of its own site, if it has workers, and the same facts.
 */
import { InputError } from "../core/errors.ts";
import { createPhantomKernels } from "../core/kernels/phantom.ts";
import type { LoadedData } from "../data/load.ts";
import type { Facts, Survey } from "../data/own/contract.ts";
import { mergeSurveys } from "../data/own/merge.ts";
import { discreet } from "../data/own/naming.ts";
import { nowhere, ownData, readOwn, testData } from "../data/own/own.ts";
import { createLayout } from "../model/layout.ts";
import type { Learner } from "../model/learner.ts";
import type { NodeInfo } from "../world/contract.ts";
import type { Member } from "../world/live/member.ts";
import type { Files } from "./find-file.ts";
import type { LiveTask } from "./live-host.ts";
import { loadRunModel } from "./model.ts";
import { type Ground, planWith } from "./plan.ts";
import type { Grid } from "./presets/grid.ts";
import { loadGrid } from "./presets/load.ts";
import type { RunSpec } from "./spec.ts";

/** The nodes of the run. They do not depend on the data, so they are known before anybody has read them. */
export function nodesOf(spec: RunSpec, grid: Grid): readonly NodeInfo[] {
  const rows = spec.sites.workers;
  const sizes = grid.topology.sites.map(({ id: site }) => ({ site, rows }));
  const data = nowhere(spec.data, { sizes, about: { kind: "idx", shape: [1] } });
  const nobody = { attach: () => {}, attachPrivate: () => {}, reached: () => {} };
  const plan = planWith(spec, { grid, data }, NO_LEARNER, createPhantomKernels(), () => nobody);
  return [...plan.programs.keys()];
}

const LENGTH = 65_536;
/** Long enough to be cut in as many shards as there may be. */
const NO_LEARNER: Learner = {
  kind: "gradient",
  layout: createLayout([{ name: "any", shape: [LENGTH] }]),
  privateLength: 0,
  initialise: () => new Float32Array(LENGTH),
  flops: () => 0,
  step: async () => ({ loss: 0, examples: 0 }),
  judge: async () => ({ examples: 0, lossSum: 0 }),
  close: async () => {},
};

/** For who leads the run. @param reports of its hosts; nothing of those without workers */
export async function surveyedGround(
  spec: RunSpec,
  grid: Grid,
  reports: readonly (Survey | undefined)[],
  host: Files,
): Promise<{ readonly facts: Facts; readonly ground: Ground }> {
  const surveys = reports.filter((report) => report !== undefined);
  const sites = grid.topology.sites.map(({ id }) => id);
  const { facts, data } = await testData(spec.data, mergeSurveys(sites, surveys), host);
  return { facts, ground: await grounded(spec, grid, data, host) };
}

/** For who goes on with a run. */
export async function judgesGround(spec: RunSpec, facts: Facts, host: Files): Promise<Ground> {
  const { data } = await testData(spec.data, facts, host);
  return grounded(spec, await loadGrid(spec.sites, host), data, host);
}

/**
 * For a host: reads the records of its site, tells of them, and hears what all are like. Nothing that it says holds a
 * record, errors included.
 */
export async function hostsGround(
  { spec, hostOf }: Pick<LiveTask, "spec" | "hostOf">,
  member: Pick<Member, "setup" | "brief">,
  host: Files,
): Promise<Ground> {
  const grid = await loadGrid(spec.sites, host);
  const worker = nodesOf(spec, grid).find(
    ({ id, role }) => role === "worker" && hostOf[id] === member.setup.host,
  );
  expectBelow(spec);
  const records =
    worker &&
    (await readOwn(spec.data, worker.site, host).catch((error: unknown) => {
      throw discreet(error);
    }));
  const facts = (await member.brief(records?.survey)) as Facts;
  if (!records) return grounded(spec, grid, nowhere(spec.data, facts), host);
  const { site, rows, path } = records.survey;
  const told = facts.sizes.find((size) => size.site === site)?.rows;
  if (told !== rows) {
    const message = `site ${site}: ${rows} rows, and ${told} when the run began`;
    const fix = "give all agents of a site the same files, and leave them as they are";
    throw new InputError([{ code: "BAD_DATA", file: path, message, fix }]);
  }
  return grounded(spec, grid, ownData(facts, records), host);
}

/** What an experiment names is read below the folders that the agent names, and nowhere else. */
function expectBelow({ data }: RunSpec): void {
  const paths = "path" in data ? [data.path].flat() : [];
  const outside = paths.find(
    (path) => /^([\\/]|[A-Za-z]:)/.test(path) || path.split(/[\\/]/).includes(".."),
  );
  if (outside === undefined) return;
  const message = `${outside} may lie outside the folders of data that agents name`;
  const fix = "give a path below them (pangaea node --data DIR)";
  throw new InputError([{ code: "DATA_ELSEWHERE", path: ["data", "path"], message, fix }]);
}

const grounded = async (
  spec: RunSpec,
  grid: Grid,
  data: LoadedData,
  host: Files,
): Promise<Ground> => ({ grid, data, model: await loadRunModel(spec, data, host) });
