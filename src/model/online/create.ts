/** From a model as plain data to a tailored model that learns online. */
import type { z } from "zod";
import type { DataShape } from "../../core/dataset.ts";
import type { Random } from "../../core/random.ts";
import type { TailoredModel } from "../tailored.ts";
import { Forest } from "./forest.ts";
import { rowShapeOf } from "./frame.ts";
import { LinearModel } from "./linear.ts";
import { logistic } from "./logistic.ts";
import { NaiveBayes } from "./naive-bayes.ts";
import { hinge } from "./pegasos.ts";
import { OnlineModelSpec } from "./spec.ts";

/**
 * A fresh model for data of this shape; the same seed gives the same model.
 * Errors: `InputError` MODEL_DATA if the data are no rows of features with classes.
 */
export function createTailored(
  given: z.input<typeof OnlineModelSpec>,
  data: DataShape,
  random: Random,
): TailoredModel {
  const spec = OnlineModelSpec.parse(given);
  const shape = rowShapeOf(data);
  switch (spec.kind) {
    case "forest":
      return new Forest(spec, shape, random);
    case "svm":
      return new LinearModel(hinge(spec), spec.trusted, shape);
    case "logistic":
      return new LinearModel(logistic(spec), spec.trusted, shape);
    case "naive-bayes":
      return new NaiveBayes(spec, shape);
    case "graph":
      throw new Error("graph");
    default:
      return spec satisfies never;
  }
}
