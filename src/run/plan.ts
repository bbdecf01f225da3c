/**
 * From a specification to what its nodes run: which sites, which workers, which rows where, and the program of
 * each node. Planning is deterministic: every host of a run plans it anew and gets the same.
 */
import { invariant } from "../core/errors.ts";
import { nodeId, type Role, type SiteId } from "../core/ids.ts";
import type { Kernels } from "../core/kernels/contract.ts";
import { createRandom, type Random } from "../core/random.ts";
import type { LoadedData } from "../data/load.ts";
import type { Places } from "../data/own/contract.ts";
import { partition, partitionWithin } from "../data/partition.ts";
import { createLearner } from "../model/create.ts";
import type { Learner } from "../model/learner.ts";
import type { ModelSpec } from "../model/spec.ts";
import { createBetween, createWithin } from "../sync/algorithms.ts";
import type { Deployment, NetworkFacts, Observer, SitePlan, Training } from "../sync/contract.ts";
import { type Programs, programsOf } from "../sync/programs.ts";
import type { NodeInfo } from "../world/contract.ts";
import { loadRunData } from "./data.ts";
import type { RunHost } from "./host.ts";
import { loadRunModel } from "./model.ts";
import type { Grid } from "./presets/grid.ts";
import { loadGrid } from "./presets/load.ts";
import type { RunSpec } from "./spec.ts";

/** Ids under which compute pools know the learner and the data sets. */
export const LEARNER = "model";
export const TRAIN = "train";
export const TEST = "test";

/** What a run stands on, loaded. */
export interface Ground {
  readonly grid: Grid;
  readonly data: LoadedData;
  readonly model: ModelSpec;
}

export interface RunPlan extends Programs {
  readonly learner: Learner;
  readonly sites: readonly SitePlan[];
  readonly deployment: Deployment;
}

/** `loaded` keeps the data for further runs. */
export async function loadGround(
  spec: RunSpec,
  host: Pick<RunHost, "roots" | "exists" | "readFile">,
  loaded: Map<string, LoadedData>,
): Promise<Ground> {
  const grid = await loadGrid(spec.sites, host);
  const data = await loadRunData(spec, host, loaded);
  return { grid, data, model: await loadRunModel(spec, data, host) };
}

/** @param observe makes the observer that the programs tell of their copies. */
export const planRun = (
  spec: RunSpec,
  ground: Ground,
  kernels: Kernels,
  observe: (deployment: Deployment, learner: Learner) => Observer,
): RunPlan => planWith(spec, ground, createLearner(ground.model), kernels, observe);

/** As `planRun`, for a learner that is made already. */
export function planWith(
  spec: RunSpec,
  { grid, data }: Pick<Ground, "grid" | "data">,
  learner: Learner,
  kernels: Kernels,
  observe: (deployment: Deployment, learner: Learner) => Observer,
): RunPlan {
  const { optimizer } = spec;
  invariant(optimizer, "a training run has an optimizer");
  const random = createRandom(spec.seed, "run");
  const sites = planSites(spec, grid, data, random.stream("split"));
  const initial = kernels.allocate(learner.layout.length);
  kernels.copy(initial, learner.initialise(random.stream("initial")));
  // A deployment already holds programs; the observer comes after it.
  let observer: Observer | undefined;
  const training: Training = {
    learnerId: LEARNER,
    datasetId: TRAIN,
    learner,
    dataset: data.train,
    initial,
    optimizer,
    batch: spec.batch,
    maxClocks: spec.stop.maxClocks,
    observer: {
      attach: (...args) => observer?.attach(...args),
      attachPrivate: (...args) => observer?.attachPrivate(...args),
      reached: (...args) => observer?.reached(...args),
    },
  };
  const between = createBetween(spec.between);
  const deployment = between.deploy({
    sites,
    training,
    network: networkFacts(grid),
    random: random.stream("between"),
  });
  observer = observe(deployment, learner);
  const maxClocks = deployment.maxClocks ?? training.maxClocks;
  const within = createWithin(spec.within, { ...training, maxClocks }, between, deployment);
  return { learner, sites, deployment, ...programsOf(deployment, within) };
}

/** Copies of a deployment, in the order of their judgement. */
export const judgedCopies = ({ judged, domains }: Deployment): readonly string[] =>
  judged === "extra" ? ["global"] : domains.map((domain) => domain.id);

const nodes = (site: SiteId, role: Role, count: number): NodeInfo[] =>
  Array.from({ length: count }, (_, index) => ({
    id: nodeId(site, role, index),
    site,
    role,
    index,
  }));

/** Deals the rows to sites by the split, then to each site's workers (users stay whole). */
export function planSites(
  spec: RunSpec,
  grid: Grid,
  { train, natural, places }: Pick<LoadedData, "train" | "natural" | "places">,
  random: Random,
): SitePlan[] {
  const { sites } = grid.topology;
  const { workers, servers } = spec.sites;
  const { split } = spec.data;
  const parts = places
    ? rowsAt(places)
    : partition(train, split, sites.length, random.stream("sites"), natural);
  let number = 0;
  return sites.map(({ id }, s) => {
    const own = parts[s] as Uint32Array;
    const dealt = partitionWithin(train, split, own, workers, random.stream(id));
    const rows = places && !isHere(places, id) ? dealt.map(({ length }) => absent(length)) : dealt;
    return {
      id,
      workers: nodes(id, "worker", workers).map((node, i) => ({
        node,
        number: number++,
        rows: rows[i] as Uint32Array,
      })),
      servers: nodes(id, "server", servers),
      examples: own.length,
    };
  });
}

/** The rows of each site; of sites whose records are elsewhere, as many as they have. */
function rowsAt(places: Places): readonly Uint32Array[] {
  let from = 0;
  return places.sizes.map(({ rows }) => {
    const begin = places.here === "all" ? from : 0;
    from += rows;
    return Uint32Array.from({ length: rows }, (_, row) => begin + row);
  });
}

const isHere = ({ here }: Places, site: SiteId): boolean =>
  here === "all" || (here !== "none" && here.site === site);

/** Numbers of rows that no data set has: records of other sites are counted, and never looked at. */
const absent = (count: number): Uint32Array => new Uint32Array(count).fill(0xffff_ffff);

/** What a between may know of the network, from the grid. */
export function networkFacts({ topology, groups }: Grid): NetworkFacts {
  const index = new Map(topology.sites.map((site, i) => [site.id, i]));
  const link = (a: SiteId, b: SiteId) => topology.link(index.get(a) ?? 0, index.get(b) ?? 0);
  return {
    bandwidth: (from, to) => link(from, to).bandwidth,
    roundTripMicros: (a, b) => link(a, b).oneWayMicros + link(b, a).oneWayMicros,
    egressDollarsPerGB: (from, to) => link(from, to).egressDollarsPerGB,
    presetGroups: groups,
  };
}
