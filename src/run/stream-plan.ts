/**
 * From a specification to what the nodes of a run on streams run: the stream of each site, its node, and the programs of
 * the `between`. Deterministic, as in plan.ts: every host plans anew and gets the same.
 */
import { type Dataset, shapeOf } from "../core/dataset.ts";
import { InputError, invariant } from "../core/errors.ts";
import { nodeId } from "../core/ids.ts";
import { createRandom } from "../core/random.ts";
import type { LoadedData } from "../data/load.ts";
import { planStreams } from "../data/streams/plan.ts";
import { type CreateTailored, tailoredModels } from "../model/online/create.ts";
import type { GraphHost } from "../model/online/graph-shared.ts";
import type { TailoredModel } from "../model/tailored.ts";
import { createBetween } from "../sync/algorithms.ts";
import type { Programs } from "../sync/programs.ts";
import type { StreamObserver, StreamSite } from "../sync/streams.ts";
import type { Buckets } from "../world/bus/buckets.ts";
import { isOnline } from "./check-streams.ts";
import { loadRunData } from "./data.ts";
import type { Files } from "./find-file.ts";
import type { RunHost } from "./host.ts";
import { modelFile } from "./model.ts";
import { networkFacts } from "./plan.ts";
import type { Grid } from "./presets/grid.ts";
import { loadGrid } from "./presets/load.ts";
import { type RunSpec, streamOf } from "./spec.ts";

/** What a run on streams stands on, loaded. */
export interface StreamGround {
  readonly grid: Grid;
  readonly data: LoadedData;
  /** Of a model that is a file. */
  readonly files?: GraphHost | undefined;
}

/** What the run's model needs of files. */
export async function streamFiles({ model }: RunSpec, host: Files): Promise<GraphHost> {
  const path = model.kind === "graph" ? model.path : undefined;
  return path === undefined ? {} : modelFile({ path }, host);
}

export interface StreamPlan extends Programs {
  readonly sites: readonly StreamSite[];
  /** Gives the memory of all models back that the programs made. */
  closeModels(): Promise<void>;
}

/** `loaded` keeps the data for further runs. */
export async function loadStreamGround(
  spec: RunSpec,
  host: Pick<RunHost, "roots" | "exists" | "readFile">,
  loaded: Map<string, LoadedData>,
): Promise<StreamGround> {
  const grid = await loadGrid(spec.sites, host);
  const files = await streamFiles(spec, host);
  return { grid, files, data: await loadRunData(spec, host, loaded) };
}

/**
 * @param buckets of the control bus, where the world has one.
 * @throws InputError where the data do not allow the streams.
 */
export function planStreamRun(
  spec: RunSpec,
  { grid, data, files }: StreamGround,
  observer: StreamObserver,
  buckets?: Buckets,
): StreamPlan {
  const stream = streamOf(spec);
  invariant(stream, "a run on streams has streams");
  const random = createRandom(spec.seed, "run");
  const dataset = data.train;
  const streams = planStreams({
    spec: stream,
    dataset,
    sites: grid.topology.sites.length,
    natural: data.natural,
    classNames: data.classNames,
    random: random.stream("streams"),
  });
  const sites = grid.topology.sites.map(({ id }, i): StreamSite => {
    const peer = { id: nodeId(id, "peer", 0), site: id, role: "peer", index: 0 } as const;
    return { id, peer, stream: streams[i]! };
  });
  const create = modelsOf(spec, dataset, files);
  const made: TailoredModel[] = [];
  const between = createBetween(spec.between);
  invariant(between.stream, `${spec.between.kind} has no program for streams`);
  const { programs, enders } = between.stream({
    sites,
    dataset,
    classes: classesOf(dataset),
    recordBytes: recordBytes(dataset),
    createModel: (drawn) => {
      const model = create(drawn);
      made.push(model);
      return model;
    },
    network: networkFacts(grid),
    random: random.stream("between"),
    observer,
    bus: buckets && (() => buckets),
  });
  return {
    sites,
    programs: new Map(programs.map(({ node, program }) => [node, program])),
    enders: new Set(enders),
    closeModels: async () => {
      for (const model of made) await model.close();
    },
  };
}

function modelsOf({ model }: RunSpec, dataset: Dataset, files?: GraphHost): CreateTailored {
  invariant(isOnline(model), "models on streams learn online");
  return tailoredModels(model, shapeOf(dataset), files);
}

function classesOf(dataset: Dataset): number {
  if (dataset.kind === "dense" && dataset.classes > 0) return dataset.classes;
  const message = "streams are of rows with a class, and these data have none";
  const fix = "take data whose label is a class";
  throw new InputError([{ code: "BAD_STREAM", message, path: ["data", "stream"], fix }]);
}

/** Features and label, as they would cross a link. */
function recordBytes(dataset: Dataset): number {
  if (dataset.kind !== "dense") return 0;
  return (dataset.features.byteLength + dataset.labels.byteLength) / dataset.rows;
}
