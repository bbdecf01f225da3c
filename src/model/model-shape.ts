/** Fits a sequential model to the shape of its data, or says why it does not fit. */
import type { DataShape } from "../core/dataset.ts";
import { InputError } from "../core/errors.ts";
import { sizeOf } from "./onnx/graph.ts";
import { parametersOf, shapesThrough } from "./onnx/sequential.ts";
import type { ModelShape } from "./onnx/training.ts";
import type { SequentialSpec } from "./spec.ts";

/** Errors: `InputError` MODEL_DATA or MODEL_SHAPE with the place in the model. */
export function modelShape(spec: SequentialSpec, data: DataShape): ModelShape {
  if (data.kind !== "dense")
    throw misfit("a sequential model needs rows of features, not ratings", "matrix-factorisation");
  const shapes = shapesThrough(spec, data.shape);
  const last = shapes.at(-1) ?? [];
  const outputs = sizeOf(last);
  const wanted = data.classes > 0 ? data.classes : 1;
  if (last.length !== 1 || outputs !== wanted)
    throw misfit(
      `the last layer gives [${last.join(", ")}], the data have ${
        data.classes > 0 ? `${data.classes} classes` : "one target"
      }`,
      `end with { dense: ${wanted} }`,
    );
  if (spec.loss === "softmax-cross-entropy" && data.classes < 2)
    throw misfit("softmax cross-entropy needs classes", "loss: squared-error");
  const parameters = parametersOf(spec, data.shape);
  if (parameters.length === 0)
    throw misfit("the model has nothing to train", `add { dense: ${wanted} }`);
  const widest = Math.max(sizeOf(data.shape), ...shapes.map(sizeOf));
  return { spec, parameters, input: data.shape, outputs, widest };
}

const misfit = (message: string, fix: string): InputError =>
  new InputError([{ code: "MODEL_DATA", path: ["model"], message, fix }]);
