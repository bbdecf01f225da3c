/**
 * Starting values. Weights before a ReLU: normal with variance 2/fanIn (He et al., "Delving Deep into
 * Rectifiers", 2015). Other weights: uniform within sqrt(6/(fanIn+fanOut)) (Glorot and Bengio, 2010).
 * Biases: zero. Each tensor has its own random stream.
 */
import type { Random } from "../core/random.ts";
import { type Layout, viewOf } from "./layout.ts";
import type { Parameter } from "./onnx/sequential.ts";

export function initialise(
  layout: Layout,
  parameters: readonly Parameter[],
  random: Random,
): Float32Array {
  const flat = new Float32Array(layout.length);
  parameters.forEach((parameter, i) => {
    const tensor = layout.tensors[i];
    if (!tensor || parameter.role === "bias") return;
    const stream = random.stream(parameter.name);
    const values = viewOf(flat, tensor);
    const deviation = Math.sqrt(2 / parameter.fanIn);
    const limit = Math.sqrt(6 / (parameter.fanIn + parameter.fanOut));
    for (let k = 0; k < values.length; k++)
      values[k] = parameter.rectified
        ? deviation * stream.normal()
        : limit * (2 * stream.next() - 1);
  });
  return flat;
}
