/** Windows that slide over the spatial axes: what convolutions and pools share. */
import type { Attributes } from "../../onnx/graph.ts";
import { exampleShape, type LayerContext, layerError } from "../layer.ts";

export interface Window {
  /** Elements on each spatial axis. */
  readonly kernel: number;
  readonly stride: number;
  readonly dilation: number;
  readonly padding: "same" | "valid";
}

/** Channels and sizes of a value on which a window slides: [channels, length] or [channels, height, width]. */
export function spatialShape(at: LayerContext): { channels: number; spatial: readonly number[] } {
  const [channels = 0, ...spatial] = exampleShape(at.input);
  if (spatial.length !== 1 && spatial.length !== 2)
    throw layerError(at, "needs [channels, height, width] or [channels, length]", "use `dense`");
  return { channels, spatial };
}

const spanOf = ({ kernel, dilation }: Window): number => dilation * (kernel - 1) + 1;

/** `same`: as many outputs as strides fit into the input, the odd element of padding at the end. */
function padsOf(window: Window, size: number): [number, number] {
  if (window.padding === "valid") return [0, 0];
  const { stride } = window;
  const total = Math.max(0, (Math.ceil(size / stride) - 1) * stride + spanOf(window) - size);
  return [Math.floor(total / 2), Math.ceil(total / 2)];
}

/** Sizes after the window; below 1 where it does not fit. */
export const slide = (window: Window, spatial: readonly number[]): number[] =>
  spatial.map((size) => {
    const [begin, end] = padsOf(window, size);
    return Math.floor((size + begin + end - spanOf(window)) / window.stride) + 1;
  });

export function windowAttributes(window: Window, spatial: readonly number[]): Attributes {
  const pads = spatial.map((size) => padsOf(window, size));
  const each = (value: number) => ({ ints: spatial.map(() => value) });
  return {
    kernel_shape: each(window.kernel),
    strides: each(window.stride),
    ...(window.dilation === 1 ? {} : { dilations: each(window.dilation) }),
    ...(window.padding === "valid"
      ? {}
      : { pads: { ints: [...pads.map(([begin]) => begin), ...pads.map(([, end]) => end)] } }),
  };
}

/**
 * The window of a transposed convolution: sizes and attributes. `same`: sizes times the stride, the odd
 * element cut at the end; a kernel smaller than the stride leaves elements at the end that only have a bias.
 */
export function transposed(
  window: Window,
  spatial: readonly number[],
): { sizes: readonly number[]; attributes: Attributes } {
  const { stride } = window;
  const full = spatial.map((size) => (size - 1) * stride + spanOf(window));
  const sizes = window.padding === "valid" ? full : spatial.map((size) => size * stride);
  const cut = spatial.map((_, axis) => (full[axis] ?? 0) - (sizes[axis] ?? 0));
  const begin = cut.map((total) => Math.floor(Math.max(0, total) / 2));
  const end = cut.map((total) => Math.ceil(Math.max(0, total) / 2));
  return {
    sizes,
    attributes: {
      kernel_shape: { ints: spatial.map(() => window.kernel) },
      strides: { ints: spatial.map(() => stride) },
      pads: { ints: [...begin, ...end] },
      ...(cut.some((total) => total < 0)
        ? { output_padding: { ints: cut.map((total) => Math.max(0, -total)) } }
        : {}),
    },
  };
}
