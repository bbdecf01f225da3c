/**
 * What a model foretold of the batch that it is about to learn. Test-then-train predicts every batch before it is
 * learnt; a model that needs its own predictions to know its recall need not make them twice.
 */
export class Remembered {
  #rows = new Uint32Array(0);
  #classes = new Int32Array(0);
  #dataset: object | undefined;
  #version = -1;

  keep(dataset: object, rows: Uint32Array, version: number, classes: Int32Array): void {
    if (this.#rows.length !== rows.length) {
      this.#rows = new Uint32Array(rows.length);
      this.#classes = new Int32Array(rows.length);
    }
    this.#rows.set(rows);
    this.#classes.set(classes.length === rows.length ? classes : classes.subarray(0, rows.length));
    this.#dataset = dataset;
    this.#version = version;
  }

  /** The predictions of these rows by the model in this version, if they were the last. */
  of(dataset: object, rows: Uint32Array, version: number): Int32Array | undefined {
    if (version !== this.#version || dataset !== this.#dataset) return undefined;
    if (rows.length !== this.#rows.length) return undefined;
    for (let i = 0; i < rows.length; i++) if (rows[i] !== this.#rows[i]) return undefined;
    return this.#classes;
  }
}
