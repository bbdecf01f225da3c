/** What `pangaea/model` offers to the outside; nothing in `src` imports it. */
export { createLearner } from "./create.ts";
export { createLayout, type Layout, type TensorSpec, viewOf } from "./layout.ts";
export { type Judgement, type Learner, type StepResult, toMetrics } from "./learner.ts";
export { MatrixFactorisation } from "./matrix-factorisation.ts";
export {
  createRuntime,
  MISSING_NATIVE,
  type Runtime,
  type RuntimeName,
  type RuntimeOptions,
} from "./onnx/run.ts";
export {
  LayerSpec,
  MatrixFactorisationSpec,
  ModelOptions,
  type ModelSpec,
  SequentialSpec,
} from "./spec.ts";
