/**
 * A `SequentialSpec` as a forward graph. Weights have the layout and the names that PyTorch gives them
 * (dense: [out, in], conv: [out, in, height, width]), so that exported files read as usual.
 */
import type { DataShape } from "../../core/dataset.ts";
import { InputError } from "../../core/errors.ts";
import { type BuiltModel, ModelBuilder } from "../build/builder.ts";
import type { LayerSpec, SequentialSpec } from "../spec.ts";
import type { GraphBuilder } from "./builder.ts";
import { sizeOf } from "./graph.ts";

/**
 * The model of a spec on data of a shape, with a symbolic batch size. Its input is called "features".
 * Errors: `InputError` MODEL_SHAPE with the layer's place, MODEL_DATA if the data are of another kind.
 */
export function sequentialModel(spec: SequentialSpec, data: DataShape): BuiltModel {
  if (data.kind !== "dense")
    throw new InputError([
      {
        code: "MODEL_DATA",
        path: ["model"],
        message: "a sequential model needs rows of features, not ratings",
        fix: "matrix-factorisation",
      },
    ]);
  const builder = new ModelBuilder();
  const features = builder.input("features", ["batch", ...data.shape]);
  return builder.build([builder.apply(features, spec.layers)]);
}

/** A trained tensor and how it starts. */
export interface Parameter {
  readonly name: string;
  readonly shape: readonly number[];
  /** Weights decay and start at random; biases do not. */
  readonly role: "weight" | "bias";
  /** Inputs and outputs of one unit: they scale the starting values. */
  readonly fanIn: number;
  readonly fanOut: number;
  /** Whether a ReLU follows: He's starting values instead of Glorot's. */
  readonly rectified: boolean;
}

type Convolution = Extract<LayerSpec, { conv: number }>;
type MaxPool = Extract<LayerSpec, { maxPool: number }>;

/** The parameters of a model in the order of its layout. `shape` is that of one example. */
export function parametersOf(spec: SequentialSpec, shape: readonly number[]): Parameter[] {
  const parameters: Parameter[] = [];
  walk(spec, shape, (layer, at, name, rectified) => {
    if (typeof layer === "string" || "maxPool" in layer) return;
    const weight =
      "dense" in layer
        ? [layer.dense, sizeOf(at)]
        : [layer.conv, at[0] ?? 0, layer.kernel, layer.kernel];
    const fanIn = sizeOf(weight.slice(1));
    const fanOut = sizeOf(weight) / (weight[1] ?? 1);
    const common = { fanIn, fanOut, rectified };
    parameters.push({ name: `${name}.weight`, shape: weight, role: "weight", ...common });
    parameters.push({
      name: `${name}.bias`,
      shape: weight.slice(0, 1),
      role: "bias",
      ...common,
    });
  });
  return parameters;
}

/**
 * Adds the layers to `graph`, whose inputs already hold the parameters, and answers the last value.
 * `input` has shape [batch, ...shape].
 */
export function buildSequential(graph: GraphBuilder, spec: SequentialSpec, input: string): string {
  const batch = graph.shapeOf(input)[0] ?? 0;
  let value = input;
  walk(spec, graph.shapeOf(input).slice(1), (layer, at, name) => {
    if (layer === "relu") value = graph.emit("Relu", [value], {}, name);
    else if (layer === "flatten")
      value = graph.emit("Reshape", [value, graph.ints([batch, sizeOf(at)])], {}, name);
    else if ("dense" in layer) value = dense(graph, value, name);
    else if ("conv" in layer) value = convolution(graph, value, layer, name);
    else value = maxPool(graph, value, layer, name);
  });
  return value;
}

const dense = (graph: GraphBuilder, value: string, name: string): string =>
  graph.emit("Gemm", [value, `${name}.weight`, `${name}.bias`], { transB: { int: 1 } }, name);

function convolution(graph: GraphBuilder, value: string, layer: Convolution, name: string): string {
  const spatial = graph.shapeOf(value).slice(2);
  const pads = spatial.map((size) => padsOf(layer, size));
  return graph.emit(
    "Conv",
    [value, `${name}.weight`, `${name}.bias`],
    {
      kernel_shape: { ints: spatial.map(() => layer.kernel) },
      strides: { ints: spatial.map(() => layer.stride) },
      pads: { ints: [...pads.map(([begin]) => begin), ...pads.map(([, end]) => end)] },
    },
    name,
  );
}

const maxPool = (graph: GraphBuilder, value: string, layer: MaxPool, name: string): string =>
  graph.emit(
    "MaxPool",
    [value],
    {
      kernel_shape: { ints: [layer.maxPool, layer.maxPool] },
      strides: { ints: [layer.maxPool, layer.maxPool] },
    },
    name,
  );

/** `same`: as many outputs as strides fit into the input, the odd element of padding at the end. */
function padsOf({ padding, kernel, stride }: Convolution, size: number): [number, number] {
  if (padding === "valid") return [0, 0];
  const total = Math.max(0, (Math.ceil(size / stride) - 1) * stride + kernel - size);
  return [Math.floor(total / 2), Math.ceil(total / 2)];
}

type Visit = (layer: LayerSpec, shape: readonly number[], name: string, rectified: boolean) => void;

/** Visits the layers with the shape of one example before each, a name ("dense2") and what follows. */
function walk(spec: SequentialSpec, shape: readonly number[], visit: Visit): void {
  const counts = new Map<string, number>();
  let at = shape;
  spec.layers.forEach((layer, i) => {
    const kind = kindOf(layer);
    const count = (counts.get(kind) ?? 0) + 1;
    counts.set(kind, count);
    const next = shapeAfter(layer, at, i);
    visit(layer, at, `${kind}${count}`, spec.layers.slice(i + 1).find(isActive) === "relu");
    at = next;
  });
}

const kindOf = (layer: LayerSpec): string =>
  typeof layer === "string" ? layer : (Object.keys(layer)[0] as string);

/** Layers that compute something; pooling and flattening only choose and move. */
const isActive = (layer: LayerSpec): boolean =>
  layer !== "flatten" && !(typeof layer === "object" && "maxPool" in layer);

function shapeAfter(layer: LayerSpec, shape: readonly number[], index: number): number[] {
  if (layer === "relu") return [...shape];
  if (layer === "flatten") return [sizeOf(shape)];
  if ("dense" in layer) {
    if (shape.length !== 1)
      throw layerError(index, layer, shape, "needs one axis", "put `flatten` before it");
    return [layer.dense];
  }
  const [channels = 0, ...spatial] = shape;
  if (spatial.length !== 2)
    throw layerError(index, layer, shape, "needs [channels, height, width]", "use `dense`");
  if ("maxPool" in layer) {
    const pooled = spatial.map((size) => Math.floor(size / layer.maxPool));
    if (pooled.includes(0)) throw layerError(index, layer, shape, "is larger than its input");
    return [channels, ...pooled];
  }
  const sizes = spatial.map((size) => {
    const [begin, end] = padsOf(layer, size);
    return Math.floor((size + begin + end - layer.kernel) / layer.stride) + 1;
  });
  if (sizes.some((size) => size < 1))
    throw layerError(index, layer, shape, "has a kernel larger than its input", "padding: same");
  return [layer.conv, ...sizes];
}

/** The shape of one example after each layer. */
export function shapesThrough(spec: SequentialSpec, shape: readonly number[]): number[][] {
  let at = [...shape];
  return spec.layers.map((layer, i) => {
    at = shapeAfter(layer, at, i);
    return at;
  });
}

const layerError = (
  index: number,
  layer: LayerSpec,
  shape: readonly number[],
  problem: string,
  fix?: string,
): InputError =>
  new InputError([
    {
      code: "MODEL_SHAPE",
      path: ["model", "layers", index],
      message: `${JSON.stringify(layer)} ${problem}, but meets [${shape.join(", ")}]`,
      fix,
    },
  ]);
