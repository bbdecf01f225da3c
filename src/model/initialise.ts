/**
 * Starting values. Weights before a ReLU: normal with variance 2/fanIn (He et al., "Delving Deep into
 * Rectifiers", 2015). Other weights: uniform within sqrt(6/(fanIn+fanOut)) (Glorot and Bengio, 2010).
 * Biases: zero. Each tensor has its own random stream.
 */
import type { Random } from "../core/random.ts";

/** How a tensor starts. */
export type Start =
  | { readonly kind: "zeros" | "ones" }
  /** With the values that its initializer holds. */
  | { readonly kind: "given" }
  | { readonly kind: "he-normal"; readonly fanIn: number }
  | { readonly kind: "glorot-uniform"; readonly fanIn: number; readonly fanOut: number }
  | { readonly kind: "normal"; readonly deviation: number }
  /** Uniform in [-limit, limit). */
  | { readonly kind: "uniform"; readonly limit: number };

/** Fills `values` from a stream of their own; `given` ones stay. */
export function drawStart(values: Float32Array, start: Start, stream: Random): void {
  if (start.kind === "given") return;
  const next = drawer(start, stream);
  for (let k = 0; k < values.length; k++) values[k] = next();
}

function drawer(start: Exclude<Start, { kind: "given" }>, stream: Random): () => number {
  const normal = (deviation: number) => () => deviation * stream.normal();
  const uniform = (limit: number) => () => limit * (2 * stream.next() - 1);
  switch (start.kind) {
    case "zeros":
      return () => 0;
    case "ones":
      return () => 1;
    case "he-normal":
      return normal(Math.sqrt(2 / start.fanIn));
    case "glorot-uniform":
      return uniform(Math.sqrt(6 / (start.fanIn + start.fanOut)));
    case "normal":
      return normal(start.deviation);
    case "uniform":
      return uniform(start.limit);
  }
}
