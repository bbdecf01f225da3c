/**
 * A batch as a sequence of outcomes, for methods that count examples one by one. All examples of a batch were predicted
 * by the same model before it learned from any of them, so their order says nothing; the errors are spread evenly.
 */
import type { DriftState, Observation } from "./contract.ts";

/** Tells `add` of each example (1: wrong), and answers the most serious state on the way. */
export function perExample(
  { examples, errors }: Observation,
  add: (error: 0 | 1) => DriftState,
): DriftState {
  let worst: DriftState = "stable";
  let carried = examples >> 1;
  for (let k = 0; k < examples; k++) {
    carried += errors;
    const wrong = carried >= examples;
    if (wrong) carried -= examples;
    const state = add(wrong ? 1 : 0);
    if (state === "drift" || worst === "stable") worst = state;
  }
  return worst;
}
