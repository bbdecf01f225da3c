import type { Random } from "../../src/core/random.ts";
import type { Judgement, Learner } from "../../src/model/learner.ts";
import type { Runtime } from "../../src/model/onnx/run.ts";
import type { ModelSpec, SequentialSpec } from "../../src/model/spec.ts";

export interface Trained {
  readonly runtime: string;
  readonly losses: readonly number[];
  readonly judged: Judgement;
  readonly parameters: readonly number[];
}

export function train(
  parts: {
    readonly createLearner: (spec: ModelSpec, runtime: Runtime) => Learner;
    readonly createRandom: (seed: number) => Random;
    readonly runtime: Runtime;
  },
  job: {
    readonly model: SequentialSpec;
    readonly data: { readonly shape: readonly number[]; readonly classes: number };
  },
): Promise<Trained>;
