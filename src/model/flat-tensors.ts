/**
 * The tensors of a layout as ONNX Runtime sees them: views of one flat array. A private array is bound as
 * it is; for a shared one, which ONNX Runtime refuses, a private twin is bound and copied once.
 */
import type { Tensor } from "onnxruntime-web";
import { invariant } from "../core/errors.ts";
import { type Layout, viewOf } from "./layout.ts";
import type { Engine, Tensors } from "./onnx/run.ts";

const isShared = (flat: Float32Array): boolean =>
  typeof SharedArrayBuffer !== "undefined" && flat.buffer instanceof SharedArrayBuffer;

export class FlatTensors {
  readonly #layout: Layout;
  #twin: Float32Array | undefined;
  #bound: { readonly flat: Float32Array; readonly tensors: Tensors } | undefined;

  constructor(layout: Layout) {
    this.#layout = layout;
  }

  /** Tensors that hold the values of `flat` now. */
  read(engine: Engine, flat: Float32Array): Tensors {
    const own = this.#own(flat);
    if (own !== flat) own.set(flat);
    return this.#bind(engine, own);
  }

  /** Tensors to write into; after the run, `deliver` makes sure that the values are in `flat`. */
  write(engine: Engine, flat: Float32Array): Tensors {
    return this.#bind(engine, this.#own(flat));
  }

  /** Zeros in what is written next: a step may leave tensors out. */
  clear(flat: Float32Array): void {
    this.#own(flat).fill(0);
  }

  deliver(flat: Float32Array): void {
    const own = this.#own(flat);
    if (own !== flat) flat.set(own);
  }

  #own(flat: Float32Array): Float32Array {
    invariant(
      flat.length === this.#layout.length,
      `an array of ${flat.length} elements does not fit a layout of ${this.#layout.length}`,
    );
    if (!isShared(flat)) return flat;
    return (this.#twin ??= new Float32Array(flat.length));
  }

  #bind(engine: Engine, flat: Float32Array): Tensors {
    const known = this.#bound?.flat;
    if (this.#bound && known?.buffer === flat.buffer && known.byteOffset === flat.byteOffset)
      return this.#bound.tensors;
    const tensors: Record<string, Tensor> = {};
    for (const tensor of this.#layout.tensors)
      tensors[tensor.name] = engine.tensor("float32", viewOf(flat, tensor), tensor.shape);
    this.#bound = { flat, tensors };
    return tensors;
  }
}
