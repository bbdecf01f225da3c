/**
 * Layers as plain data, in the short form that people write in a run file: `relu`, `{ dense: 10 }`,
 * `{ conv: 32, kernel: 5 }`. The first key says what a layer is. Images are [channels, height, width],
 * signals [channels, length], sequences [time, features], texts token numbers [time].
 */
import { z } from "zod";

const positive = z.number().int().positive();
/** Step of the window on each spatial axis. */
const stride = positive.default(1);
/** `same` keeps the sizes at stride 1, and divides them by the stride otherwise (rounding up). */
const padding = z.enum(["same", "valid"]).default("same");
/** Whether a constant is learnt for each output; `false` before a normalisation, which has its own. */
const bias = z.boolean().optional();

/** Layers without options, or with the usual ones. */
const Plain = z.enum([
  "relu",
  "flatten",
  /** Slope 0.01 below zero. */
  "leakyRelu",
  "elu",
  /** By the error function. */
  "gelu",
  /** x * sigmoid(x). */
  "silu",
  "sigmoid",
  "tanh",
  "softplus",
  /** Over the last axis. */
  "softmax",
  /** Of each channel over batch and space; running averages are kept with momentum 0.1 for judging. */
  "batchNorm",
  /** Of each example and channel over space. */
  "instanceNorm",
  /** Over the last axis. */
  "layerNorm",
  /** Over the last axis: divides by the root of the mean square. */
  "rmsNorm",
  /** One value a channel. */
  "globalAveragePool",
  "globalMaxPool",
  /** Adds a learnt vector for each place of a sequence. */
  "positions",
]);

export const LayerSpec = z.union([
  Plain,
  /** Number of outputs. Of sequences: at each step alike. */
  z.strictObject({ dense: positive, bias }),
  /** Number of filters. `dilation` 1 if absent; `groups` 1: channels are mixed all with all. */
  z.strictObject({
    conv: positive,
    kernel: positive,
    padding,
    stride,
    dilation: positive.optional(),
    groups: positive.optional(),
    bias,
  }),
  /** Size of the kernel; each channel has one of its own. */
  z.strictObject({ depthwiseConv: positive, padding, stride, dilation: positive.optional(), bias }),
  /** Number of filters. `same`: sizes times the stride. */
  z.strictObject({ convTranspose: positive, kernel: positive, padding, stride, bias }),
  /** Size of the window. `stride` is the same if absent, `padding` valid. */
  z.strictObject({
    maxPool: positive,
    stride: positive.optional(),
    padding: z.enum(["same", "valid"]).optional(),
  }),
  /** As maxPool; padding does not count. */
  z.strictObject({
    averagePool: positive,
    stride: positive.optional(),
    padding: z.enum(["same", "valid"]).optional(),
  }),
  /** Number of groups of channels, each normalised over its channels and space. */
  z.strictObject({ groupNorm: positive }),
  /** Share of elements that a training step sets to zero. */
  z.strictObject({ dropout: z.number().min(0).lt(1) }),
  /** Slope below zero. */
  z.strictObject({ leakyRelu: z.number().nonnegative() }),
  z.strictObject({ elu: z.number().positive() }),
  /** Features of each token. The vocabulary is that of the data if absent. */
  z.strictObject({ embedding: positive, vocabulary: positive.optional() }),
  /** Features of the state. `last`: answers the last step's only, not those of all steps. */
  z.strictObject({ lstm: positive, last: z.boolean().optional() }),
  z.strictObject({ gru: positive, last: z.boolean().optional() }),
  /** Self-attention of several heads. `causal`: a step sees itself and earlier ones; false if absent. */
  z.strictObject({
    attention: z.strictObject({ heads: positive, causal: z.boolean().optional() }),
  }),
  /** Sizes of one example. */
  z.strictObject({ reshape: z.array(positive).min(1) }),
  /** The layers' output plus their input, which a 1x1 convolution or a dense layer fits if shapes differ. */
  z.strictObject({
    get residual() {
      return z.array(LayerSpec).min(1);
    },
  }),
]);
export type LayerSpec = z.infer<typeof LayerSpec>;
