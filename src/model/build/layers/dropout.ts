/** Dropout (Srivastava et al., 2014): binding for training draws the mask from the run's random stream. */
import type { Layer } from "../layer.ts";

export const dropout: Layer<{ dropout: number }> = ({ builder, input, name }, spec) =>
  builder.node("Dropout", [input, builder.scalar(spec.dropout)], {}, { name, shape: input.shape });
