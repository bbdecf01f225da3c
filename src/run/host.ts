/**
 * What a run needs of the program around it (command line, test, somebody's server): files, threads, a
 * signal to end, a sink for events. The run itself touches nothing ambient.
 */
import type { RunEnded, RunEvent } from "../core/events.ts";
import type { SiteId } from "../core/ids.ts";
import type { Layout } from "../model/layout.ts";
import type { Model } from "../model/onnx/model.ts";
import type { ClusterAccess } from "../world/cluster/access.ts";
import type { RunSpec } from "./spec.ts";
import type { SavedModel } from "./stream-models.ts";

export interface RunHost {
  /** Folders in which relative paths of data and grid files are looked for, in order. */
  readonly roots: readonly string[];
  readonly exists: (path: string) => Promise<boolean>;
  readonly readFile: (path: string) => Promise<Uint8Array>;
  /** Compute threads; the results do not depend on it. */
  readonly threads: number;
  readonly signal: AbortSignal;
  /** Registers what is done, within seconds, before the process is ended by force; the answer takes it back. */
  readonly onForced?: ((farewell: () => Promise<void>) => () => void) | undefined;
  readonly onEvent: (event: RunEvent) => void;
  /** Something about this machine that the user should know once (no part of the run's log). */
  readonly warn?: ((text: string) => void) | undefined;
  /** Keys and certificates, for runs in the cluster world. */
  readonly cluster?: ClusterAccess | undefined;
}

/** What is left when a run has ended. */
export interface RunOutcome {
  readonly spec: RunSpec;
  readonly reason: RunEnded["reason"];
  readonly layout: Layout;
  /** The model as a graph, before training; nothing if it is none. */
  readonly graph: Model | undefined;
  /** One model a site where they differ. */
  readonly models: readonly { readonly site: SiteId; readonly parameters: Float32Array }[];
  /** The one global model, where there is one; `origin` says how it came about ("mean of the sites' copies"). */
  readonly global: { readonly parameters: Float32Array; readonly origin: string } | undefined;
  /** Of a run on streams: the sites' models. */
  readonly tailored?: readonly SavedModel[] | undefined;
}
