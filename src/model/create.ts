/** From a model as plain data to the learner that trains it. */
import { GraphLearner } from "./graph-learner.ts";
import type { Learner } from "./learner.ts";
import { MatrixFactorisation } from "./matrix-factorisation.ts";
import { createRuntime, type Runtime } from "./onnx/run.ts";
import type { ModelSpec } from "./spec.ts";

/**
 * The learner of a model on data of a shape. Cheap: layout, starting values, FLOPs and working sets are
 * known without loading ONNX Runtime, which happens at the first `step` or `judge`. Learners of one
 * thread may share a `runtime`, which warns once if the native library is missing.
 * Errors: `InputError` if the model does not fit the data.
 */
export function createLearner(spec: ModelSpec, runtime: Runtime = createRuntime()): Learner {
  return spec.model.kind === "sequential"
    ? new GraphLearner(spec.model, spec.data, runtime)
    : new MatrixFactorisation(spec.model, spec.data, spec.targetMean ?? 0);
}
