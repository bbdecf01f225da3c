/**
 * What the graph models of all sites of one process have in common: the learner and the programs that predict, which hold
 * no parameters. ONNX Runtime is loaded at the first prediction or step, and its memory is given back when the last model
 * has closed.
 */
import type { Batch, DataShape } from "../../core/dataset.ts";
import type { Random } from "../../core/random.ts";
import type { Flops } from "../../core/units.ts";
import { trainableOf } from "../create.ts";
import { GraphLearner } from "../graph-learner.ts";
import type { Layout } from "../layout.ts";
import { modelError } from "../model-error.ts";
import { createRuntime, type Runtime } from "../onnx/run.ts";
import { type GraphOptions, OnnxSpec, SequentialSpec } from "../spec.ts";
import { GraphPrograms } from "./graph-programs.ts";
import { partsOf } from "./graph-shape.ts";
import { GraphUnits } from "./graph-units.ts";
import type { GraphSpec } from "./spec.ts";

/** What a graph model needs of its surroundings. */
export interface GraphHost {
  /** Shared with other learners of this thread; a new one if absent. */
  readonly runtime?: Runtime | undefined;
  /** The bytes of an ONNX file in place of the spec's layers, and of files that it refers to. */
  readonly file?: Uint8Array | undefined;
  readonly external?: Readonly<Record<string, Uint8Array>> | undefined;
}

export class GraphShared {
  readonly layout: Layout;
  /** Absent where the whole model travels. */
  readonly units: GraphUnits | undefined;
  readonly programs: GraphPrograms;
  readonly #learner: GraphLearner;
  readonly #gradient: Float32Array;
  #last: Promise<unknown> = Promise.resolve();
  #users = 0;

  /** Errors: `InputError`, as of `createLearner`, and MODEL_PORTIONS where units cannot be handed over. */
  constructor(
    spec: GraphSpec,
    data: DataShape,
    { runtime = createRuntime(), ...files }: GraphHost,
  ) {
    const model = modelOf(spec, files.file);
    const trainable = trainableOf({ model, data, ...files });
    this.#learner = new GraphLearner(trainable, 0, runtime);
    this.layout = this.#learner.layout;
    this.#gradient = new Float32Array(this.layout.length);
    const parts = spec.transfer === "units" ? partsOf(trainable, this.layout) : undefined;
    this.units = parts && new GraphUnits(parts);
    const output = trainable.objectives[0]?.terms[0]?.output ?? "";
    const values = parts ? [output, parts.hidden] : [output];
    this.programs = new GraphPrograms(trainable, this.layout, values, runtime);
  }

  initialise(random: Random): Float32Array {
    return this.#learner.initialise(random);
  }

  /** One step at a time, whoever's: `apply` is told the gradient of the trained elements and the change of the others. */
  step(
    parameters: Float32Array,
    batch: Batch,
    apply: (result: Float32Array) => void,
  ): Promise<Flops> {
    const result = this.#last.then(async () => {
      await this.#learner.step(parameters, batch, this.#gradient);
      apply(this.#gradient);
      return this.#learner.flops(batch.rows.length);
    });
    this.#last = result.catch(() => undefined);
    return result;
  }

  open(): void {
    this.#users++;
  }

  async close(): Promise<void> {
    if (--this.#users > 0) return;
    await this.#last;
    await this.programs.close();
    await this.#learner.close();
  }
}

/**
 * The loss is that of one class against the rest, as of the linear models: rows that softmax trains mean something
 * together only.
 */
function modelOf({ layers }: GraphSpec, file: Uint8Array | undefined): GraphOptions {
  const loss = "binary-cross-entropy" as const;
  if (file !== undefined) return OnnxSpec.parse({ kind: "onnx", path: "the model's file", loss });
  if (layers !== undefined) return SequentialSpec.parse({ kind: "sequential", layers, loss });
  throw modelError("MODEL_SHAPE", ["layers"], "a graph that learns online has no layers", {
    fix: "layers: [flatten, { dense: 32 }, relu, { dense: classes }]",
  });
}
