/** From a model as plain data to the learner that trains it. */
import { invariant } from "../core/errors.ts";
import type { BuiltModel } from "./build/builder.ts";
import { sequentialModel } from "./onnx/sequential.ts";
import { GraphLearner } from "./graph-learner.ts";
import type { Learner } from "./learner.ts";
import { MatrixFactorisation } from "./matrix-factorisation.ts";
import { readModel } from "./onnx/proto/read.ts";
import { createRuntime, type Runtime } from "./onnx/run.ts";
import type { ModelSpec } from "./spec.ts";
import { makeTrainable, type Trainable } from "./trainable.ts";

/**
 * The learner of a model on data of a shape. Cheap: layout, starting values, FLOPs and working sets are
 * known without loading ONNX Runtime, which happens at the first `step` or `judge`. Learners of one
 * thread may share a `runtime`, which warns once if the native library is missing.
 * Errors: `InputError` if the model does not fit the data.
 */
export function createLearner(spec: ModelSpec, runtime: Runtime = createRuntime()): Learner {
  if (spec.model.kind === "matrix-factorisation")
    return new MatrixFactorisation(spec.model, spec.data, spec.targetMean ?? 0);
  return new GraphLearner(trainableOf(spec), spec.seed ?? 0, runtime);
}

/** The model of a spec as a graph, ready for training. Errors: as `createLearner`; not for matrix factorisation. */
export function trainableOf(spec: ModelSpec): Trainable {
  const { model, data } = spec;
  invariant(model.kind !== "matrix-factorisation", "matrix factorisation is no graph");
  return makeTrainable(graphModel(spec), data, model);
}

function graphModel({ model, data, file, external }: ModelSpec): BuiltModel {
  if (model.kind === "sequential") return sequentialModel(model, data);
  invariant(model.kind === "onnx" && file, "the bytes of the model's file are read by the run");
  const read = readModel(file, { name: model.path, external: (location) => external?.[location] });
  return { model: read, starts: new Map() };
}
