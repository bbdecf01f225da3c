/**
 * What a model foretold of the batch that it is about to learn. Test-then-train predicts every batch before it is
 * learnt; a model that needs its own predictions to know its recall need not make them twice.
 */
import type { Batch } from "../../core/dataset.ts";

export class Remembered<T> {
  #rows = new Uint32Array(0);
  #dataset: object | undefined;
  #version = -1;
  #value: T | undefined;

  /** `value` was made of these rows by the model in this version. */
  keep({ dataset, rows }: Batch, version: number, value: T): T {
    if (this.#rows.length !== rows.length) this.#rows = new Uint32Array(rows.length);
    this.#rows.set(rows);
    this.#dataset = dataset;
    this.#version = version;
    this.#value = value;
    return value;
  }

  /** What was kept last, if it is of these rows and this version. */
  of({ dataset, rows }: Batch, version: number): T | undefined {
    if (version !== this.#version || dataset !== this.#dataset) return undefined;
    if (rows.length !== this.#rows.length) return undefined;
    for (let i = 0; i < rows.length; i++) if (rows[i] !== this.#rows[i]) return undefined;
    return this.#value;
  }
}
