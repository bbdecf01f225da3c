/** Models that are one row of layers. */
import type { DataShape } from "../../core/dataset.ts";
import { InputError } from "../../core/errors.ts";
import { type BuiltModel, ModelBuilder } from "../build/builder.ts";
import type { LayerSpec } from "../layer-spec.ts";
import type { SequentialSpec } from "../spec.ts";

/**
 * The model of a spec on data of a shape, with a symbolic batch size. Its input "features" is float32
 * [batch, ...shape]; of texts int64 [batch, length], and the output is then [batch, length, vocabulary].
 * Errors: `InputError` MODEL_SHAPE with the layer's place, MODEL_DATA if the data are of another kind.
 */
export function sequentialModel(
  { layers }: Pick<SequentialSpec, "layers">,
  data: DataShape,
): BuiltModel {
  switch (data.kind) {
    case "dense":
      return sequential({ input: data.shape, layers });
    case "text":
      return sequential({ input: { length: data.length, vocabulary: data.vocabulary }, layers });
    case "ratings":
      throw new InputError([
        {
          code: "MODEL_DATA",
          path: ["model"],
          message: "a sequential model needs rows of features, not ratings",
          fix: "matrix-factorisation",
        },
      ]);
    default:
      return data satisfies never;
  }
}

export interface Sequential {
  /** Shape of one example, without the batch; or a text of `length` tokens below `vocabulary`. */
  readonly input: readonly number[] | { readonly length: number; readonly vocabulary: number };
  readonly layers: readonly LayerSpec[];
}

/** `sequential({ input: [1, 28, 28], layers: [conv(32, 5), relu(), flatten(), dense(10)] })` */
export function sequential({ input, layers }: Sequential): BuiltModel {
  const builder = new ModelBuilder();
  if (!("vocabulary" in input)) {
    const features = builder.input("features", ["batch", ...input]);
    return builder.build([builder.apply(features, layers)]);
  }
  const { length, vocabulary } = input;
  const tokens = builder.input("features", ["batch", length], "int64");
  return builder.build([builder.apply(tokens, layers, { vocabulary })]);
}
