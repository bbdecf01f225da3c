/**
 * Runs on streams: every site has its stream and its own model, and one program that predicts, judges, learns and,
 * as its `between` says, shares. A `between` that can do this implements `Between.stream`.
 */
import type { Dataset } from "../core/dataset.ts";
import type { SiteId } from "../core/ids.ts";
import type { Random } from "../core/random.ts";
import type { Bytes } from "../core/units.ts";
import type { SiteStream } from "../data/streams/contract.ts";
import type { TailoredModel } from "../model/tailored.ts";
import type { Buckets } from "../world/bus/buckets.ts";
import type { NodeInfo, NodeProgram } from "../world/contract.ts";
import type { NetworkFacts } from "./contract.ts";

/** A site of a run on streams. */
export interface StreamSite {
  readonly id: SiteId;
  /** The node (role "peer") that runs its program. */
  readonly peer: NodeInfo;
  readonly stream: SiteStream;
}

/** Where the run learns of the sites' models, to keep them when it has ended. */
export interface StreamObserver {
  /** @param model the one that the site predicts with now; a later call for the site replaces the earlier. */
  attach(site: SiteId, model: () => TailoredModel): void;
}

export interface StreamRequest {
  readonly sites: readonly StreamSite[];
  /** Rows of all streams; each site's program touches those of its own stream only. */
  readonly dataset: Dataset;
  readonly classes: number;
  /** Bytes of one record, features and label, as they would cross a link. */
  readonly recordBytes: Bytes;
  /** A fresh model; the same seed gives the same model. */
  createModel(random: Random): TailoredModel;
  readonly network: NetworkFacts;
  readonly random: Random;
  readonly observer: StreamObserver;
  /** Of the control bus what the run's nodes share, as a node reaches it; where the world has one. */
  readonly bus?: ((node: NodeInfo) => Buckets) | undefined;
}

export interface StreamDeployment {
  /** A program for every peer, and for nodes that the between brings (a registry, a centre). */
  readonly programs: readonly { readonly node: NodeInfo; readonly program: NodeProgram }[];
  /** The run is over when these have ended. */
  readonly enders: readonly NodeInfo[];
}
