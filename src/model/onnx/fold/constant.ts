/** Folds of operators that make values from sizes and attributes. Shape and Size need types only. */
import { type Attribute, intAttribute, type Node, sizeOf } from "../graph.ts";
import { constantShapes, shapeSpan } from "../shape/constant.ts";
import { arrayOf } from "./cast.ts";
import {
  type Constant,
  type Data,
  emptyLike,
  FOLD_LIMIT,
  type Fold,
  foldingOne,
  inputOf,
  outputOf,
} from "./rule.ts";

const int64 = (shape: readonly number[], values: readonly number[]): Constant => ({
  type: "int64",
  shape,
  data: BigInt64Array.from(values, BigInt),
});

const shape: Fold = ({ node, types }) => {
  const sizes = types[0]?.shape;
  if (!sizes) return undefined;
  const [start, end] = shapeSpan(node, sizes.length);
  const read = sizes.slice(start, end);
  return [int64([read.length], read)];
};

const size: Fold = ({ types }) => types[0] && [int64([], [sizeOf(types[0].shape)])];

/** Of any size: a Constant is an initializer by another name. */
const constant: Fold = ({ node }) => {
  const [type] = constantShapes.Constant({ node, inputs: [], constant: () => undefined });
  return type && [{ ...type, data: attributeData(Object.values(node.attributes)[0]) }];
};

function attributeData(value: Attribute | undefined): Data {
  if (value && "tensor" in value) return value.tensor.data;
  if (value && "int" in value) return BigInt64Array.of(BigInt(value.int));
  if (value && "ints" in value) return BigInt64Array.from(value.ints, BigInt);
  if (value && "float" in value) return Float32Array.of(value.float);
  return value && "floats" in value ? Float32Array.from(value.floats) : new Float32Array();
}

const filling = (node: Node): Data => {
  const { value } = node.attributes;
  return value && "tensor" in value ? value.tensor.data : Float32Array.of(0);
};

const constantOfShape = foldingOne((at) => {
  const value = filling(at.node);
  const filled = emptyLike(value, sizeOf(outputOf(at).shape));
  return (filled as Float32Array).fill(value[0] as number);
});

/** Like ONNX Runtime, adds the step again and again, rounding each sum. */
const range = foldingOne((at) => {
  const steps = inputOf(at, 2).data;
  const values = emptyLike(steps, sizeOf(outputOf(at).shape));
  if (values.length > 0) values[0] = inputOf(at, 0).data[0] as number;
  for (let i = 1; i < values.length; i++)
    values[i] = ((values[i - 1] as number) + (steps[0] as number)) as number;
  return values;
});

const eyeLike: Fold = ({ node, types }) => {
  const [input] = types;
  if (!input) return undefined;
  const [type] = constantShapes.EyeLike({ node, inputs: types, constant: () => undefined });
  const data = type && arrayOf(type.type, sizeOf(type.shape));
  if (!data || data.length > FOLD_LIMIT) return undefined;
  const [rows = 0, columns = 0] = type.shape;
  const shift = intAttribute(node, "k", 0);
  const one = data instanceof BigInt64Array ? 1n : 1;
  for (let row = Math.max(0, -shift); row < rows && row + shift < columns; row++)
    data[row * columns + row + shift] = one as number;
  return [{ ...type, data }];
};

export const constantFolds = {
  Constant: constant,
  ConstantOfShape: constantOfShape,
  EyeLike: eyeLike,
  Range: range,
  Shape: shape,
  Size: size,
} satisfies Record<string, Fold>;
