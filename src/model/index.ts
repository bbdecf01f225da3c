/** What `pangaea/model` offers to the outside; nothing in `src` imports it. */
export { type BuiltModel, ModelBuilder, type Result, type Start } from "./build/builder.ts";
export * from "./build/layers.ts";
export { createLearner } from "./create.ts";
export { createLayout, type Layout, type TensorSpec, viewOf } from "./layout.ts";
export { type Judgement, type Learner, type StepResult, toMetrics } from "./learner.ts";
export { MatrixFactorisation } from "./matrix-factorisation.ts";
export { createTailored, tailoredModels } from "./online/create.ts";
export { OnlineModelSpec } from "./online/spec.ts";
export { inferenceModel } from "./onnx/inference.ts";
export type { Dimension, Model, ModelValue } from "./onnx/model.ts";
export { type ReadModelOptions, readModel } from "./onnx/proto/read.ts";
export { writeModelFile } from "./onnx/proto/write.ts";
export {
  createRuntime,
  MISSING_NATIVE,
  type Runtime,
  type RuntimeName,
  type RuntimeOptions,
} from "./onnx/run.ts";
export { type Sequential, sequential, sequentialModel } from "./onnx/sequential.ts";
export {
  LayerSpec,
  MatrixFactorisationSpec,
  ModelOptions,
  type ModelSpec,
  OnnxSpec,
  SequentialSpec,
} from "./spec.ts";
export { startedModel } from "./started.ts";
export { type LayerSummary, type Summary, type SummaryOptions, summarise } from "./summary.ts";
export { formatSummary } from "./summary-text.ts";
export type { MergeContext, PackRequest, Portion, TailoredModel } from "./tailored.ts";
