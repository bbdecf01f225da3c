/** From a model as plain data to the learner that trains it. */
import { invariant } from "../core/errors.ts";
import type { BuiltModel } from "./build/builder.ts";
import { GraphLearner } from "./graph-learner.ts";
import type { Learner } from "./learner.ts";
import { MatrixFactorisation } from "./matrix-factorisation.ts";
import { modelError } from "./model-error.ts";
import { rowShapeOf } from "./online/frame.ts";
import { LinearLearner } from "./online/linear-learner.ts";
import { logistic } from "./online/logistic.ts";
import { NaiveBayesLearner } from "./online/naive-bayes-learner.ts";
import { hinge } from "./online/pegasos.ts";
import { sameShape } from "./onnx/graph.ts";
import type { Model } from "./onnx/model.ts";
import { readModel } from "./onnx/proto/read.ts";
import { createRuntime, type Runtime } from "./onnx/run.ts";
import { sequentialModel } from "./onnx/sequential.ts";
import { isGraph, ModelOptions, type ModelSpec, type TensorValues } from "./spec.ts";
import { makeTrainable, type Trainable } from "./trainable.ts";

/**
 * The learner of a model on data of a shape. Cheap: layout, starting values, FLOPs and working sets are
 * known without loading ONNX Runtime, which happens at the first `step` or `judge`. Learners of one
 * thread may share a `runtime`, which warns once if the native library is missing.
 * Errors: `InputError` if the model does not fit the data.
 */
export function createLearner(given: ModelSpec, runtime: Runtime = createRuntime()): Learner {
  // A model that was written in JavaScript may leave defaults out.
  const spec = { ...given, model: ModelOptions.parse(given.model) };
  const { model, data } = spec;
  switch (model.kind) {
    case "matrix-factorisation":
      return new MatrixFactorisation(model, data, spec.targetMean ?? 0);
    case "svm":
      return new LinearLearner(hinge(model), rowShapeOf(data));
    case "logistic":
      return new LinearLearner(logistic(model), rowShapeOf(data));
    case "naive-bayes":
      return new NaiveBayesLearner(model, rowShapeOf(data));
    case "sequential":
    case "onnx":
      return new GraphLearner(trainableOf(spec), spec.seed ?? 0, runtime);
    default:
      return model satisfies never;
  }
}

/** The model of a spec, ready for training. Errors: as `createLearner`; only for models that are graphs. */
export function trainableOf(spec: ModelSpec): Trainable {
  const { model, data } = spec;
  invariant(isGraph(model), `${model.kind} is no graph`);
  return makeTrainable(builtModel(spec), data, model);
}

/** The model of a spec as a graph with the values it starts from, or zeros where those are drawn. */
export const graphOf = (spec: ModelSpec): Model | undefined =>
  isGraph(spec.model) ? builtModel(spec).model : undefined;

function builtModel(spec: ModelSpec): BuiltModel {
  const { model, values } = spec;
  invariant(isGraph(model), `${model.kind} is no graph`);
  const built = model.kind === "sequential" ? sequentialModel(model, spec.data) : fromFile(spec);
  return values ? withValues(built, values) : built;
}

function fromFile({ model, file, external }: ModelSpec): BuiltModel {
  invariant(model.kind === "onnx" && file, "the bytes of the model's file are read by the run");
  const read = readModel(file, { name: model.path, external: (location) => external?.[location] });
  return { model: read, starts: new Map() };
}

/** Other starting values, by name; names that the model lacks are no fault as long as one fits. */
function withValues(
  { model, starts }: BuiltModel,
  values: NonNullable<ModelSpec["values"]>,
): BuiltModel {
  const floats = new Set(
    model.initializers.filter(({ type }) => type === "float32").map(({ name }) => name),
  );
  const given = (name: string): TensorValues | undefined =>
    floats.has(name) && Object.hasOwn(values, name) ? values[name] : undefined;
  for (const { name, shape } of model.initializers) {
    const other = given(name)?.shape;
    if (other !== undefined && !sameShape(other, shape))
      throw modelError(
        "MODEL_WEIGHTS",
        ["weights"],
        `tensor ${name} is [${other.join(", ")}] there, the model's [${shape.join(", ")}]`,
      );
  }
  if (!model.initializers.some(({ name }) => given(name)))
    throw modelError(
      "MODEL_WEIGHTS",
      ["weights"],
      `no tensor there has a name of the model's: ${Object.keys(values).slice(0, 5).join(", ")}`,
      {
        fix: `names of the model: ${model.initializers
          .slice(0, 5)
          .map(({ name }) => name)
          .join(", ")}`,
      },
    );
  return {
    model: {
      ...model,
      initializers: model.initializers.map((tensor) => ({
        ...tensor,
        data: given(tensor.name)?.data ?? tensor.data,
      })),
    },
    starts: new Map(
      [...starts].map(([name, start]) => [name, given(name) ? { kind: "given" as const } : start]),
    ),
  };
}
