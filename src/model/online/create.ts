/** From a model as plain data to tailored models that learn online. */
import type { z } from "zod";
import type { DataShape } from "../../core/dataset.ts";
import type { Random } from "../../core/random.ts";
import type { TailoredModel } from "../tailored.ts";
import { Forest } from "./forest.ts";
import { rowShapeOf } from "./frame.ts";
import { GraphModel } from "./graph.ts";
import { type GraphHost, GraphShared } from "./graph-shared.ts";
import { LinearModel } from "./linear.ts";
import { logistic } from "./logistic.ts";
import { NaiveBayes } from "./naive-bayes.ts";
import { hinge } from "./pegasos.ts";
import { OnlineModelSpec } from "./spec.ts";

type Given = z.input<typeof OnlineModelSpec>;

/** A fresh model: the same random stream gives the same model. */
export type CreateTailored = (random: Random) => TailoredModel;

/**
 * A maker of models of one kind for data of this shape, for the sites of one process: graph models share what they
 * compute with. `host` is for them alone.
 * Errors: `InputError` MODEL_DATA if the data are no rows of features with classes; of graphs those of `createLearner`,
 * and MODEL_PORTIONS where hidden units cannot be handed over.
 */
export function tailoredModels(
  given: Given,
  data: DataShape,
  host: GraphHost = {},
): CreateTailored {
  const spec = OnlineModelSpec.parse(given);
  const shape = rowShapeOf(data);
  switch (spec.kind) {
    case "forest":
      return (random) => new Forest(spec, shape, random);
    case "svm":
      return () => new LinearModel(hinge(spec), spec.trusted, shape);
    case "logistic":
      return () => new LinearModel(logistic(spec), spec.trusted, shape);
    case "naive-bayes":
      return () => new NaiveBayes(spec, shape);
    case "graph": {
      const shared = new GraphShared(spec, data, host);
      return (random) => new GraphModel(spec, shape, shared, random);
    }
    default:
      return spec satisfies never;
  }
}

/** One model; `tailoredModels` where there are more. */
export const createTailored = (
  spec: Given,
  data: DataShape,
  random: Random,
  host?: GraphHost,
): TailoredModel => tailoredModels(spec, data, host)(random);
