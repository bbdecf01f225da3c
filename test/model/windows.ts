/** Random windows for the tests of convolutions and pools. */
import fc from "fast-check";
import type { Attributes } from "../../src/model/onnx/graph.ts";

/** One spatial axis; the kernel fits into `size` also without pads. */
export const axis = fc
  .record({
    kernel: fc.integer({ min: 1, max: 3 }),
    stride: fc.integer({ min: 1, max: 3 }),
    dilation: fc.integer({ min: 1, max: 2 }),
    begin: fc.integer({ min: 0, max: 2 }),
    end: fc.integer({ min: 0, max: 2 }),
    extra: fc.integer({ min: 0, max: 3 }),
  })
  .map((at) => ({ ...at, size: at.dilation * (at.kernel - 1) + 1 + at.extra }));
export type Axis = typeof axis extends fc.Arbitrary<infer T> ? T : never;

/** Mostly pads by number. */
export const paddings = fc.constantFrom("NOTSET", "NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER");

export const windowAttributes = (axes: readonly Axis[], mode = "NOTSET"): Attributes => ({
  kernel_shape: { ints: axes.map((at) => at.kernel) },
  strides: { ints: axes.map((at) => at.stride) },
  // ONNX Runtime has no dilations under SAME.
  dilations: { ints: axes.map((at) => (mode.startsWith("SAME") ? 1 : at.dilation)) },
  ...(mode === "NOTSET"
    ? { pads: { ints: [...axes.map((at) => at.begin), ...axes.map((at) => at.end)] } }
    : { auto_pad: { string: mode } }),
});
