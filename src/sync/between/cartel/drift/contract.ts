/** Drift detectors behind one interface: what a site sees of its own stream, and what they say of it. */

/** One batch as a detector sees it: tested before it was learned. */
export interface Observation {
  readonly examples: number;
  readonly errors: number;
  /** Labels of the batch by class. */
  readonly classCounts: Uint32Array;
}

export type DriftState = "stable" | "warning" | "drift";

export interface DriftDetector {
  /** After each batch. After "drift" the detector has begun anew from what it saw last. */
  observe(batch: Observation): DriftState;
  /** Begins anew: the model was replaced, what was learned of its errors no longer holds. */
  reset(): void;
}
