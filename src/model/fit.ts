/** Whether a model's outputs fit the labels of the data, said before anything runs. */
import type { InputError } from "../core/errors.ts";
import { modelError } from "./model-error.ts";
import { sizeOf } from "./onnx/graph.ts";
import { outputShapes } from "./onnx/training.ts";
import type { TermPlan, Trainable } from "./trainable.ts";

/**
 * Answers the shape of one example's judged output.
 * Errors: `InputError` MODEL_DATA; those of binding the model (GRAPH_SHAPE, GRAPH_UNSUPPORTED).
 */
export function checkFit(trainable: Trainable): readonly number[] {
  const shapes = outputShapes(trainable);
  for (const { terms } of trainable.objectives)
    for (const term of terms)
      if (term.target === "label") checkLabels(trainable, term, shapes.get(term.output) ?? []);
  return shapes.get(trainable.objectives[0]?.terms[0]?.output ?? "") ?? [];
}

/** `shape` is that of one example's output. */
function checkLabels(trainable: Trainable, term: TermPlan, shape: readonly number[]): void {
  const { data } = trainable;
  const { kind } = term.loss;
  const crossEntropy = kind === "softmax-cross-entropy";
  const fits = (wanted: readonly number[]): boolean =>
    crossEntropy ? wanted.join() === shape.join() : sizeOf(wanted) === sizeOf(shape);
  if (data.kind === "text") {
    const wanted = [data.length, data.vocabulary];
    if (!crossEntropy)
      throw misfit(`loss ${kind} does not fit tokens`, "loss: softmax-cross-entropy");
    if (!fits(wanted))
      throw misfit(`${said(trainable, term, shape)}, the data need [${wanted.join(", ")}]`);
    return;
  }
  if (crossEntropy && data.classes < 2)
    throw misfit("softmax cross-entropy needs classes", "loss: squared-error");
  if (kind === "binary-cross-entropy" && data.classes === 2 && sizeOf(shape) === 1) return;
  const wanted = Math.max(1, data.classes);
  if (fits([wanted])) return;
  const have = data.classes > 0 ? `${data.classes} classes` : "one target";
  throw misfit(
    `${said(trainable, term, shape)}, the data have ${have}`,
    `end with { dense: ${wanted} }`,
  );
}

const said = ({ starts }: Trainable, { output }: TermPlan, shape: readonly number[]): string =>
  `${starts.size > 0 ? "the last layer" : `output ${output}`} gives [${shape.join(", ")}]`;

const misfit = (message: string, fix?: string): InputError =>
  modelError("MODEL_DATA", [], message, fix === undefined ? {} : { fix });
