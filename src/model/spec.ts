/** Models as plain data: what an experiment file says, and what crosses to a compute thread. */
import { z } from "zod";
import type { DataShape } from "../core/dataset.ts";
import { LayerSpec } from "./layer-spec.ts";
import { LogisticSpec, NaiveBayesSpec, SvmSpec } from "./online/spec.ts";
import { TRAINING } from "./training-options.ts";

const positive = z.number().int().positive();

export { LayerSpec };

export const SequentialSpec = z.strictObject({
  kind: z.literal("sequential"),
  layers: z.array(LayerSpec).min(1),
  /** A safetensors file with starting weights, by name. */
  weights: z.string().min(1).optional(),
  ...TRAINING,
});
export type SequentialSpec = z.infer<typeof SequentialSpec>;

/** A model of any framework, as an ONNX file. */
export const OnnxSpec = z.strictObject({
  kind: z.literal("onnx"),
  /** The file, looked for beside the run file and in the folders of data. */
  path: z.string().min(1),
  /** A safetensors file with other starting weights, by name. */
  weights: z.string().min(1).optional(),
  ...TRAINING,
});
export type OnnxSpec = z.infer<typeof OnnxSpec>;

export const MatrixFactorisationSpec = z.strictObject({
  kind: z.literal("matrix-factorisation"),
  rank: positive.default(50),
  l2: z.number().nonnegative().default(0.05),
  /** Standard deviation of the starting factors. */
  initialDeviation: z.number().positive().default(0.1),
});
export type MatrixFactorisationSpec = z.infer<typeof MatrixFactorisationSpec>;

/** What the user writes under `model:`. */
export const ModelOptions = z.discriminatedUnion("kind", [
  SequentialSpec,
  OnnxSpec,
  MatrixFactorisationSpec,
  // Learn online, too; here the run's optimizer makes the steps, and what concerns portions has no say.
  SvmSpec,
  LogisticSpec,
  NaiveBayesSpec,
]);
export type ModelOptions = z.infer<typeof ModelOptions>;

/** Models that are an ONNX graph. */
export type GraphOptions = SequentialSpec | OnnxSpec;

export const isGraph = (model: ModelOptions): model is GraphOptions =>
  model.kind === "sequential" || model.kind === "onnx";

/** Elements of a tensor, row by row. */
export interface TensorValues {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** A model together with the shape of the data it meets: all that `createLearner` needs. */
export interface ModelSpec {
  readonly model: ModelOptions;
  readonly data: DataShape;
  /** Mean of the targets, from metadata: the constant term of matrix factorisation. */
  readonly targetMean?: number | undefined;
  /** Of a model that is a file: its bytes, and those of files that it refers to, by location. */
  readonly file?: Uint8Array | undefined;
  readonly external?: Readonly<Record<string, Uint8Array>> | undefined;
  /** Starting values of tensors, in place of drawn ones or the file's. */
  readonly values?: Readonly<Record<string, TensorValues>> | undefined;
  /** Seed of what steps draw: dropped units, noise. */
  readonly seed?: number | undefined;
}
