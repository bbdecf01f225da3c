/**
 * The metadata service: one small record a site, soft state. It may be silent, late, wrong or gone; nobody waits for
 * it longer than a deadline, and what it says is checked when it arrives. Three backends pass one suite.
 */
import type { NodeId, SiteId } from "../../../../core/ids.ts";
import type { Scope } from "../../../../core/scope.ts";
import type { Bytes, Flops, Micros } from "../../../../core/units.ts";

/** What a site tells of itself: counts and shares, never records. Tens to a few hundred bytes (record.ts). */
export interface SiteRecord {
  /** The node's own site: the part of its id before the slash. */
  readonly site: SiteId;
  /** Whom to ask for portions. */
  readonly node: NodeId;
  /**
   * The run's time at which the node told it, and so both an order (an older one never replaces a newer one, also
   * after a restart that forgot everything) and an age.
   */
  readonly sequence: Micros;
  readonly modelKind: string;
  readonly modelVersion: number;
  readonly modelBytes: Bytes;
  /** Batches that the node has had. */
  readonly batches: number;
  /** Labels of its recent window, by class. */
  readonly classCounts: Uint32Array;
  /** Error on each class in that window, 0..1 in steps of 1/254; NaN where it had none. Same length. */
  readonly classErrors: Float32Array;
  /** Error over the window: the mean of the classes' errors by their counts. */
  readonly error: number;
  /** Operations that training has cost so far. */
  readonly trainFlops: Flops;
  /** Optional sketch of the features (see `neighbours.ts`), for drift that is none of classes. */
  readonly sketch?: Float32Array | undefined;
}

export interface RegistryQuery {
  /** Records of nodes that know at least one of these classes. */
  readonly classes: readonly number[];
  /** At most so many records: those that know most of the classes best. */
  readonly limit: number;
}

export interface Registry {
  /** Tells the record; never waits, never throws. */
  publish(record: SiteRecord): void;
  /**
   * Valid records of other nodes that fit, newest sequence of each node, sorted by node. What is not there within
   * `deadline` is left out: an empty answer after silence, never an error (cancellation apart).
   */
  query(query: RegistryQuery, deadline: Micros, scope: Scope): Promise<readonly SiteRecord[]>;
}

/** What every backend needs to know. */
export interface RegistryTerms {
  /** Length of the class arrays; a record of any other length is refused. */
  readonly classes: number;
  /** Nodes of the run; nobody else has a record, and nobody else is ever asked. */
  readonly nodes: ReadonlySet<NodeId>;
  /** Records that nobody told again for so long are gone. */
  readonly ttl: Micros;
}
