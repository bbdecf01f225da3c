/** Which of a learner's shared parameters the optimizer trains. */
import type { Learner } from "../model/learner.ts";

/** The first so many elements of the flat array; the results of a step for the others are changes already. */
export const trainedOf = ({ kind, layout }: Learner): number =>
  kind === "delta" ? 0 : layout.trained;
