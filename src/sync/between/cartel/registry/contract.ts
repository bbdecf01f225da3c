/**
 * The metadata service: one small record a site, soft state. It may be silent, late, wrong or gone; nobody waits for
 * it longer than a deadline, and what it says is checked when it arrives. Three backends pass one suite.
 */
import type { NodeId, SiteId } from "../../../../core/ids.ts";
import type { Scope } from "../../../../core/scope.ts";
import type { Bytes, Flops, Micros } from "../../../../core/units.ts";

/** What a site tells of itself: counts and shares, never records. A few hundred bytes to a few kilobytes. */
export interface SiteRecord {
  readonly site: SiteId;
  /** Whom to ask for portions. */
  readonly node: NodeId;
  /** Grows with every record of the node; an older one never replaces a newer one. */
  readonly sequence: number;
  readonly modelKind: string;
  readonly modelVersion: number;
  readonly modelBytes: Bytes;
  /** Batches that the node has had. */
  readonly batches: number;
  /** Labels of its recent window, by class. */
  readonly classCounts: Uint32Array;
  /** Error on each class in that window, 0..1; NaN where it had none. Same length. */
  readonly classErrors: Float32Array;
  /** Error over the window. */
  readonly error: number;
  /** Operations that training has cost so far. */
  readonly trainFlops: Flops;
  /** Optional sketch of the features (means of random projections), for drift that is none of classes. */
  readonly sketch?: Float32Array | undefined;
}

export interface RegistryQuery {
  /** Records of nodes that know at least one of these classes. */
  readonly classes: readonly number[];
  /** At most so many records. */
  readonly limit: number;
}

export interface Registry {
  /** Tells the record; never waits, never throws. */
  publish(record: SiteRecord): void;
  /**
   * Valid records of other nodes that fit, newest sequence of each node, sorted by site. What is not there by the
   * deadline is left out: an empty answer after silence, never an error (cancellation apart).
   */
  query(query: RegistryQuery, deadline: Micros, scope: Scope): Promise<readonly SiteRecord[]>;
}
