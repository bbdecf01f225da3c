/** A built model with drawn starting values: what is written to a file to be trained from there. */
import type { Random } from "../core/random.ts";
import type { BuiltModel } from "./build/builder.ts";
import { drawStart } from "./initialise.ts";
import type { Model } from "./onnx/model.ts";

/** The same values as a learner of this model starts with: each tensor has the random stream of its name. */
export function startedModel({ model, starts }: BuiltModel, random: Random): Model {
  const initializers = model.initializers.map((tensor) => {
    const start = starts.get(tensor.name);
    if (!start || start.kind === "given") return tensor;
    const data = new Float32Array(tensor.data.length);
    drawStart(data, start, random.stream(tensor.name));
    return { ...tensor, data };
  });
  return { ...model, initializers };
}
