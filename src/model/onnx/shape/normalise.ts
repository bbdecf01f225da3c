/** Shapes of normalisations: the output is the input's, statistics have one element for what they cover. */
import { shapeError, unsupportedError } from "../errors.ts";
import { axisOf, intAttribute, sameShape, type TensorType } from "../graph.ts";
import { broadcast, required, type ShapeContext, type ShapeRule } from "./rule.ts";

/** An input [batch, channels, ...space], and that inputs 1 to `count` have one element a channel. */
function ofChannels(at: ShapeContext, count: number): TensorType {
  const x = required(at, 0);
  const channels = x.shape[1];
  if (channels === undefined)
    throw shapeError(at.node, at.inputs, "the input must be [batch, channels, ...space]");
  for (let i = 1; i <= count; i++)
    if (!sameShape(required(at, i).shape, [channels]))
      throw shapeError(at.node, at.inputs, `input ${i} must have one element a channel`);
  return x;
}

/** The training form is written out, because ONNX Runtime's writes over its inputs. */
const batchNormalization: ShapeRule = (at) => {
  if (intAttribute(at.node, "training_mode", 0) === 1)
    throw unsupportedError(at.node, "its training form is written out when a model is bound");
  return [ofChannels(at, 4)];
};

const instanceNormalization: ShapeRule = (at) => [ofChannels(at, 2)];

/** Answers the normalised values, the mean and the inverse of the standard deviation of each row. */
const layerNormalization: ShapeRule = (at) => {
  const x = required(at, 0);
  const rank = x.shape.length;
  const axis = axisOf(intAttribute(at.node, "axis", -1), rank);
  if (axis < 0 || axis >= rank)
    throw shapeError(at.node, at.inputs, `axis ${axis} is none of rank ${rank}`);
  const row = x.shape.slice(axis);
  for (const i of [1, 2]) {
    const given = i === 1 ? required(at, 1) : at.inputs[2];
    if (given && !sameShape(broadcast(given.shape, row) ?? [], row))
      throw shapeError(at.node, at.inputs, `input ${i} does not fit a row of [${row.join()}]`);
  }
  const statistic: TensorType = {
    type: "float32",
    shape: x.shape.map((size, i) => (i < axis ? size : 1)),
  };
  return [x, statistic, statistic];
};

const unchanged: ShapeRule = (at) => [required(at, 0)];

export const normaliseShapes = {
  BatchNormalization: batchNormalization,
  InstanceNormalization: instanceNormalization,
  LRN: unchanged,
  LayerNormalization: layerNormalization,
} satisfies Record<string, ShapeRule>;
