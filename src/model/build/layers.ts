/**
 * Layers as functions, for models written in TypeScript: `conv(32, 5)` is `{ conv: 32, kernel: 5 }` with
 * its defaults. What each option means stands with `LayerSpec`.
 */
import type { LayerSpec } from "../layer-spec.ts";

type Padding = "same" | "valid";
interface ConvOptions {
  readonly padding?: Padding;
  readonly stride?: number;
  readonly dilation?: number;
  readonly groups?: number;
  readonly bias?: boolean;
}
interface PoolOptions {
  readonly stride?: number;
  readonly padding?: Padding;
}

const WINDOW = { padding: "same", stride: 1 } as const;

export const dense = (outputs: number, options: { readonly bias?: boolean } = {}): LayerSpec => ({
  dense: outputs,
  ...options,
});
export const conv = (filters: number, kernel: number, options: ConvOptions = {}): LayerSpec => ({
  conv: filters,
  kernel,
  ...WINDOW,
  ...options,
});
export const depthwiseConv = (
  kernel: number,
  options: Omit<ConvOptions, "groups"> = {},
): LayerSpec => ({ depthwiseConv: kernel, ...WINDOW, ...options });
export const convTranspose = (
  filters: number,
  kernel: number,
  options: Omit<ConvOptions, "groups" | "dilation"> = {},
): LayerSpec => ({ convTranspose: filters, kernel, ...WINDOW, ...options });
export const maxPool = (size: number, options: PoolOptions = {}): LayerSpec => ({
  maxPool: size,
  ...options,
});
export const averagePool = (size: number, options: PoolOptions = {}): LayerSpec => ({
  averagePool: size,
  ...options,
});
export const globalAveragePool = (): LayerSpec => "globalAveragePool";
export const globalMaxPool = (): LayerSpec => "globalMaxPool";

export const batchNorm = (): LayerSpec => "batchNorm";
export const layerNorm = (): LayerSpec => "layerNorm";
export const instanceNorm = (): LayerSpec => "instanceNorm";
export const rmsNorm = (): LayerSpec => "rmsNorm";
export const groupNorm = (groups: number): LayerSpec => ({ groupNorm: groups });
export const dropout = (rate: number): LayerSpec => ({ dropout: rate });

export const embedding = (features: number, vocabulary?: number): LayerSpec => ({
  embedding: features,
  vocabulary,
});
export const positions = (): LayerSpec => "positions";
export const lstm = (features: number, options: { readonly last?: boolean } = {}): LayerSpec => ({
  lstm: features,
  ...options,
});
export const gru = (features: number, options: { readonly last?: boolean } = {}): LayerSpec => ({
  gru: features,
  ...options,
});
export const attention = (
  heads: number,
  options: { readonly causal?: boolean } = {},
): LayerSpec => ({ attention: { heads, ...options } });
export const residual = (...layers: LayerSpec[]): LayerSpec => ({ residual: layers });

export const relu = (): LayerSpec => "relu";
export const leakyRelu = (slope = 0.01): LayerSpec => ({ leakyRelu: slope });
export const elu = (alpha = 1): LayerSpec => ({ elu: alpha });
export const gelu = (): LayerSpec => "gelu";
export const silu = (): LayerSpec => "silu";
export const sigmoid = (): LayerSpec => "sigmoid";
export const tanh = (): LayerSpec => "tanh";
export const softplus = (): LayerSpec => "softplus";
export const softmax = (): LayerSpec => "softmax";

export const flatten = (): LayerSpec => "flatten";
export const reshape = (...sizes: number[]): LayerSpec => ({ reshape: sizes });
