/** Models that learn online, as plain data. `TailoredModel` (tailored.ts) is what they become. */
import { z } from "zod";
import { LayerSpec } from "../layer-spec.ts";

const count = z.number().int().positive();
/** A class's portion takes the place of the model's own where this site has lately had fewer examples of it. */
const trusted = count.default(100);

export const ForestSpec = z.strictObject({
  kind: z.literal("forest"),
  trees: count.max(255).default(10),
  /** Of one tree, branches and leaves: bounds memory. A full tree learns in its leaves only. */
  maxNodes: count.min(3).max(65_535).default(255),
  /** Features that a leaf considers; the root of their number, rounded up, plus one if absent. */
  subspace: count.optional(),
  /** Intervals into which a leaf cuts a feature. */
  bins: count.min(2).max(32).default(6),
  /** Mean of the Poisson number of times that a tree sees an example. */
  lambda: z.number().positive().max(16).default(6),
  /** Weight of examples that a leaf takes in between two attempts to split. */
  grace: count.default(50),
  /** Chance that a split is not the best one: delta of Hoeffding's bound. */
  delta: z.number().gt(0).lt(1).default(0.01),
  /** Splits are as good as each other where the bound is below this share of the most that a split can gain. */
  tie: z.number().nonnegative().default(0.1),
  /** Confidence of the tests that start a background tree, and that put it in its tree's place. */
  warning: z.number().gt(0).lt(1).default(0.005),
  drift: z.number().gt(0).lt(1).default(0.0005),
  /** Share of the trees that is handed over at most. */
  share: z.number().gt(0).max(1).default(0.3),
});
export type ForestSpec = z.infer<typeof ForestSpec>;

export const SvmSpec = z.strictObject({
  kind: z.literal("svm"),
  /** Pegasos's lambda. */
  l2: z.number().positive().default(0.001),
  /** Steps after which the rate falls no further. */
  memory: count.default(10_000),
  trusted,
});
export type SvmSpec = z.infer<typeof SvmSpec>;

export const LogisticSpec = z.strictObject({
  kind: z.literal("logistic"),
  l2: z.number().nonnegative().default(1e-5),
  rate: z.number().positive().default(0.1),
  trusted,
});
export type LogisticSpec = z.infer<typeof LogisticSpec>;

export const NaiveBayesSpec = z.strictObject({
  kind: z.literal("naive-bayes"),
  /** Added to every variance, in squared units of the features. */
  smoothing: z.number().positive().default(0.01),
  /** Examples of a class beyond which older ones fade. */
  memory: count.max(1e6).default(5_000),
  trusted,
});
export type NaiveBayesSpec = z.infer<typeof NaiveBayesSpec>;

export const GraphSpec = z.strictObject({
  kind: z.literal("graph"),
  /** As of `sequential`; the last one is dense, one output a class. Absent: an ONNX file. */
  layers: z.array(LayerSpec).min(1).optional(),
  /** The file, where there are no layers; looked for beside the run file and in the folders of data. */
  path: z.string().min(1).optional(),
  rate: z.number().positive().default(1),
  momentum: z.number().min(0).lt(1).default(0),
  /** `units`: classes' rows of the last layer with the hidden units behind them. `boost`: the whole model. */
  transfer: z.enum(["units", "boost"]).default("units"),
  trusted,
});
export type GraphSpec = z.infer<typeof GraphSpec>;

export const OnlineModelSpec = z.discriminatedUnion("kind", [
  ForestSpec,
  SvmSpec,
  LogisticSpec,
  NaiveBayesSpec,
  GraphSpec,
]);
export type OnlineModelSpec = z.infer<typeof OnlineModelSpec>;
