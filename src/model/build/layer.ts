/** What a layer sees while it is put on a value, and what all layers share. */
import { InputError } from "../../core/errors.ts";
import type { Start } from "../initialise.ts";
import type { LayerSpec } from "../layer-spec.ts";
import type { Dimension, ModelValue } from "../onnx/model.ts";
import type { ModelBuilder } from "./builder.ts";

/** Where a row of layers stands in a model. */
export interface Place {
  /** ["model", "layers"]: errors add the layer's index. */
  readonly path: readonly (string | number)[];
  /** Whether a rectifier follows the last layer. */
  readonly rectified: boolean;
  /** Number of different tokens of the data, where they are text. */
  readonly vocabulary?: number | undefined;
}

export interface LayerContext {
  readonly builder: ModelBuilder;
  readonly input: ModelValue;
  /** The layer's name and stem of its tensors' names: "dense2". */
  readonly name: string;
  readonly spec: LayerSpec;
  /** Path of this layer. */
  readonly path: readonly (string | number)[];
  /** Whether a ReLU or a kin of it follows: He's starting values instead of Glorot's. */
  readonly rectified: boolean;
  readonly vocabulary?: number | undefined;
  /** Layers inside this one, under a key of its spec, on its input. */
  within(layers: readonly LayerSpec[], key: string): ModelValue;
}

export type Layer<Spec> = (at: LayerContext, spec: Spec) => ModelValue;

/** The shape of one example: all sizes but the batch. */
export const exampleShape = ({ shape }: ModelValue): readonly number[] =>
  shape.slice(1).map(Number);

/** The shape of a batch of such examples. */
export const batched = (at: LayerContext, shape: readonly number[]): readonly Dimension[] => [
  at.input.shape[0] ?? "batch",
  ...shape,
];

/** Axes of a sequence. */
export function sequenceShape(at: LayerContext): { time: number; features: number } {
  const [time, features, ...more] = exampleShape(at.input);
  if (time === undefined || features === undefined || more.length > 0)
    throw layerError(at, "needs a sequence [time, features]", "put { embedding: … } before it");
  return { time, features };
}

/** `{"dense":3} needs one axis, but meets [2, 6, 7]` */
export const layerError = (at: LayerContext, problem: string, fix?: string): InputError =>
  new InputError([
    {
      code: "MODEL_SHAPE",
      path: at.path,
      message: `${JSON.stringify(at.spec)} ${problem}, but meets [${exampleShape(at.input).join(", ")}]`,
      fix,
    },
  ]);

/** He's starting values before a rectifier, else Glorot's. */
export const startOf = (at: LayerContext, fanIn: number, fanOut: number): Start =>
  at.rectified ? { kind: "he-normal", fanIn } : { kind: "glorot-uniform", fanIn, fanOut };
