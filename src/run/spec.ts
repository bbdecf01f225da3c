/**
 * The experiment file as data: one schema for YAML, JSON and TypeScript. Parsed once, wholly, then frozen;
 * every default is here.
 */
import { z } from "zod";
import { DataSpec } from "../data/spec.ts";
import type { StreamSpec } from "../data/streams/spec.ts";
import { OnlineModelSpec } from "../model/online/spec.ts";
import { MatrixFactorisationSpec, OnnxSpec, SequentialSpec } from "../model/spec.ts";
import { OptimizerSpec } from "../optimize/spec.ts";
import { BetweenSpec, WithinSpec } from "../sync/options.ts";
import { PlaceSpec } from "../world/cluster/place-spec.ts";
import { type ProcessorModel, StragglerSpec } from "../world/processor.ts";
import { FaultSpec } from "../world/simulated/faults.ts";

const count = z.number().int().positive();

export const SITE_PRESETS = ["ec2-11", "aws-10", "near", "far", "oregon-ireland"] as const;

/** Where the sites are and what stands there. Exactly one of `preset`, `file`, `count`. */
export const SitesSpec = z
  .strictObject({
    preset: z.enum(SITE_PRESETS).optional(),
    /** A grid file (YAML or JSON): sites and links. */
    file: z.string().optional(),
    /** So many equal sites, every pair linked by `bandwidthMbps` and `rttMs`. */
    count: count.optional(),
    bandwidthMbps: z.number().positive().default(100),
    rttMs: z.number().positive().default(100),
    /** `lan` puts the same sites on one local network: 10 Gbit/s a node, 0.2 ms round trip. */
    network: z.enum(["wan", "lan"]).default("wan"),
    workers: count.default(2),
    servers: count.default(1),
    processor: z
      .strictObject({
        /** Speed of one worker; a step takes its FLOPs over this. */
        gflops: z.number().positive().default(50),
        /** Or a fixed time for each batch. */
        msPerBatch: z.number().positive().optional(),
        straggler: StragglerSpec.optional(),
      })
      .prefault({}),
  })
  .refine(
    (sites) => [sites.preset, sites.file, sites.count].filter((x) => x !== undefined).length === 1,
    {
      message: "give exactly one of preset, file, count",
    },
  );
export type SitesSpec = z.infer<typeof SitesSpec>;

const Records = z.strictObject({ records: z.enum(["stay", "may-move"]) });

/** What may leave a site. Records stay unless said otherwise. */
export const PolicySpec = z.strictObject({
  default: Records.default({ records: "stay" }),
  sites: z.record(z.string(), Records).default({}),
});

export const StopSpec = z
  .strictObject({
    /** Test accuracy to reach, 0..1. */
    accuracy: z.number().gt(0).lte(1).optional(),
    /** Root mean squared test error to reach. */
    rmse: z.number().positive().optional(),
    /** Test loss to reach. */
    loss: z.number().positive().optional(),
    /** Relative change of the model over `changeWindow` clocks under which training has ended. */
    change: z.number().positive().optional(),
    changeWindow: count.default(50),
    maxClocks: count.default(2000),
    /** Seconds of the world's time. */
    maxSeconds: z.number().positive().optional(),
    /** Go on to `maxClocks` after the target was reached (for final accuracies). */
    atTarget: z.enum(["stop", "continue"]).default("stop"),
  })
  .prefault({});
export type StopSpec = z.infer<typeof StopSpec>;

/** Real time on this machine. */
export const LocalWorldSpec = z.strictObject({
  kind: z.literal("local"),
  /** What a site's nodes run in: a worker thread of this process, or a process of their own. */
  hosts: z.enum(["threads", "processes"]).default("threads"),
  /** `declared`: a step lasts at least as long as `sites.processor` says, as in the simulated world. */
  pace: z.enum(["real", "declared"]).default("real"),
  /** `shaped`: links between sites are slowed to their description. */
  links: z.enum(["shaped", "unshaped"]).default("shaped"),
});
export type LocalWorldSpec = z.infer<typeof LocalWorldSpec>;

/** Models of training runs and of runs on streams; check.ts says which fits. */
export const RunModelSpec = z.discriminatedUnion("kind", [
  SequentialSpec,
  OnnxSpec,
  MatrixFactorisationSpec,
  ...OnlineModelSpec.options,
]);
export type RunModelSpec = z.infer<typeof RunModelSpec>;

/** Real time on many machines: agents (`pangaea node`) that a NATS server joins. */
export const ClusterWorldSpec = z.strictObject({
  kind: z.literal("cluster"),
  /**
   * Servers of one NATS cluster: "nats://host:4222", "tls://host:4222". By default that of this machine; a run that
   * places processes of this machine then starts one of its own.
   */
  nats: z.array(z.string()).min(1).optional(),
  /** JetStream domain that keeps members and runs; by default that of the server which is connected to. */
  domain: z.string().optional(),
  pace: z.enum(["real", "declared"]).default("real"),
  /** `real`: as the machines are joined. `shaped`: links between sites are slowed to their description. */
  links: z.enum(["real", "shaped"]).default("real"),
  /** Labels that agents must bear: `{ zone: "a" }`. */
  labels: z.record(z.string(), z.union([z.string(), z.number()])).default({}),
  /** What each site must have: so many agents for its workers and for what holds parameters, each with so much. */
  agents: z
    .strictObject({
      perSite: count.default(1),
      cores: z.number().positive().optional(),
      memoryBytes: z.number().positive().optional(),
    })
    .prefault({}),
  place: PlaceSpec.optional(),
  /** How long the run waits for its agents. */
  waitSeconds: z.number().positive().default(600),
  /** A coordinator that was silent for so long is replaced, where another stands by or is asked to. */
  leaseSeconds: z.number().positive().default(6),
});
export type ClusterWorldSpec = z.infer<typeof ClusterWorldSpec>;

export const RunSpec = z.strictObject({
  version: z.literal(1),
  name: z.string().min(1),
  seed: z.number().int().nonnegative().default(1),
  data: DataSpec,
  model: RunModelSpec,
  /** Of training runs, which must have one; models on streams bring their own. */
  optimizer: OptimizerSpec.optional(),
  /** Examples of one worker's mini-batch. */
  batch: count.default(32),
  sites: SitesSpec,
  within: WithinSpec.default({ kind: "parameter-server", consistency: "bsp", staleness: 3 }),
  between: BetweenSpec,
  policy: PolicySpec.prefault({}),
  stop: StopSpec,
  evaluate: z
    .strictObject({
      /** Clocks between two judgements on held-out data. */
      every: count.default(10),
    })
    .prefault({}),
  network: z
    .strictObject({
      jitterMs: z.number().nonnegative().default(0),
      /** Share of packets lost; reliable messages pay it in time. */
      loss: z.number().min(0).lt(1).default(0),
      duplication: z.number().min(0).lt(1).default(0),
    })
    .prefault({}),
  faults: z.array(FaultSpec).default([]),
  /** Virtual time, or real time on this machine or on many. */
  world: z
    .union([
      z.enum(["simulated", "local", "cluster"]),
      z.discriminatedUnion("kind", [LocalWorldSpec, ClusterWorldSpec]),
    ])
    .default("simulated"),
});
export type RunSpec = z.infer<typeof RunSpec>;

/** How batches arrive, where the run is one on streams. */
export const streamOf = ({ data }: RunSpec): StreamSpec | undefined =>
  "stream" in data ? data.stream : undefined;

/** The options of the world in real time, where the run has one. */
export function liveWorld({ world }: RunSpec): LocalWorldSpec | ClusterWorldSpec | undefined {
  if (world === "local") return LocalWorldSpec.parse({ kind: "local" });
  if (world === "cluster") return ClusterWorldSpec.parse({ kind: "cluster" });
  return world === "simulated" ? undefined : world;
}

/** The declared processor of every worker. */
export function processorModel({ sites: { processor } }: RunSpec): ProcessorModel {
  const { gflops, msPerBatch, straggler } = processor;
  const speed =
    msPerBatch === undefined
      ? { kind: "speed" as const, flopsPerSecond: gflops * 1e9 }
      : { kind: "fixed" as const, microsPerBatch: msPerBatch * 1000 };
  return straggler ? { ...speed, straggler } : speed;
}

/** Whether training records may leave a site. */
export const mayLeave = ({ policy }: RunSpec, site: string): boolean =>
  (policy.sites[site] ?? policy.default).records === "may-move";

/** One row of a comparison: the experiment with some keys changed. */
export const CompareEntry = z.strictObject({
  name: z.string().min(1),
  /** Nested keys as in the file, or dotted: { "between.significance": 0.02 }. */
  set: z.record(z.string(), z.unknown()).default({}),
});
export type CompareEntry = z.infer<typeof CompareEntry>;

/** The whole file: a run, and the rows that `compare` makes of it. */
export const ExperimentFile = z.strictObject({
  ...RunSpec.shape,
  compare: z.array(CompareEntry).default([]),
});
export type ExperimentFile = z.infer<typeof ExperimentFile>;
