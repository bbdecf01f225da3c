/**
 * Streams with drift: what arrives at each site, batch by batch, planned beforehand from a data set and a seed. Every
 * batch is first predicted, then learned (prequential: Gama, Sebastião and Rodrigues, "On evaluating stream learning
 * algorithms", Machine Learning 90, 2013).
 */
import type { Micros } from "../../core/units.ts";

/** A true change of what arrives at a site: what detectors are to find and adaptation is measured from. */
export interface Shift {
  /** The first batch of the new kind. */
  readonly batch: number;
  /** For people: "class 3 comes (30 %)". */
  readonly what: string;
  /** Classes whose share grew by it; empty where it is none of a class. */
  readonly classes: readonly number[];
}

/** The stream of one site. */
export interface SiteStream {
  /** Rows of the data set in the order of their arrival: batch k is rows[k * batchSize, (k + 1) * batchSize). */
  readonly rows: Uint32Array;
  readonly batchSize: number;
  /** Batches arrive at this distance; batch 0 at `everyMicros`. */
  readonly everyMicros: Micros;
  /** In order of their batches; gradual change is one shift at its begin. */
  readonly shifts: readonly Shift[];
}

export const batchesOf = ({ rows, batchSize }: SiteStream): number =>
  Math.floor(rows.length / batchSize);

/** The rows of a batch, as a view. */
export const batchRows = ({ rows, batchSize }: SiteStream, batch: number): Uint32Array =>
  rows.subarray(batch * batchSize, (batch + 1) * batchSize);
