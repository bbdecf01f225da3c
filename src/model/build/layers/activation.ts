/** Activations: element by element. */
import type { Layer } from "../layer.ts";

export const relu: Layer<"relu"> = ({ builder, input, name }) =>
  builder.node("Relu", [input], {}, { name, shape: input.shape });
