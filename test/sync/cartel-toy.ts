/**
 * A tailored model whose error is known in advance. It knows each class by a number, its skill: of the class's rows that
 * share is predicted right (which ones, the row's own hash says), and each example that it learns adds to it. A portion
 * is a class's skill. A negative skill elsewhere is what a harmful portion brings: it spoils a class that was good.
 */
import type { Batch, DenseDataset } from "../../src/core/dataset.ts";
import { PangaeaError } from "../../src/core/errors.ts";
import type { Flops } from "../../src/core/units.ts";
import type { MergeContext, PackRequest, TailoredModel } from "../../src/model/tailored.ts";

/** Skill that an example of its class adds, and the most that there is. */
export const LEARNS = 0.005;
export const SKILLED = 0.98;
/** Examples of a class after which it is known as well as it can be. */
export const SLOW = Math.ceil(SKILLED / LEARNS);

const hash = (row: number): number => (Math.imul(row + 1, 0x9e3779b1) >>> 0) / 2 ** 32;

const bytesOf = (values: Float32Array): Uint8Array => new Uint8Array(values.slice().buffer);

export class ToyModel implements TailoredModel {
  readonly kind = "toy";
  readonly classes: number;
  version = 0;
  skills: Float32Array;
  closed = false;

  constructor(classes: number) {
    this.classes = classes;
    this.skills = new Float32Array(classes);
  }

  bytes(): number {
    return this.skills.byteLength;
  }

  async predict({ dataset, rows }: Batch, out: Int32Array): Promise<Flops> {
    const { labels } = dataset as DenseDataset;
    for (let i = 0; i < rows.length; i++) {
      const label = labels[rows[i]!]!;
      out[i] = hash(rows[i]!) < this.skills[label]! ? label : (label + 1) % this.classes;
    }
    return rows.length;
  }

  async learn({ dataset, rows }: Batch): Promise<Flops> {
    const { labels } = dataset as DenseDataset;
    for (const row of rows) {
      const label = labels[row]!;
      this.skills[label] = Math.min(SKILLED, this.skills[label]! + LEARNS);
    }
    this.version++;
    return 10 * rows.length;
  }

  portions() {
    return [...this.skills].map((skill, c) => ({
      id: `class ${c}`,
      bytes: 8,
      use: new Float32Array(this.classes).map((_, other) => (other === c ? skill : Number.NaN)),
    }));
  }

  pack({ classes, maxBytes }: PackRequest): Uint8Array | undefined {
    const known = classes.filter((c) => this.skills[c]! > 0).slice(0, Math.floor(maxBytes / 8));
    return known.length === 0 ? undefined : packed(known.map((c) => [c, this.skills[c]!]));
  }

  merge(bytes: Uint8Array, _context: MergeContext): void {
    const values = new Float32Array(bytes.slice().buffer, 0, Math.floor(bytes.length / 4));
    if (bytes.length % 8 !== 0 || bytes.length === 0 || values.some((value) => Number.isNaN(value)))
      throw new PangaeaError("PORTION_INVALID", "no portion of a toy");
    for (let i = 0; i < values.length; i += 2) this.skills[values[i]!] = values[i + 1]!;
    this.version++;
  }

  save(): Uint8Array {
    return bytesOf(this.skills);
  }

  restore(saved: Uint8Array): void {
    this.skills = new Float32Array(saved.slice().buffer);
    this.version++;
  }

  async close(): Promise<void> {
    this.closed = true;
  }
}

/** A portion: classes and their skills. */
export const packed = (portion: readonly (readonly [number, number])[]): Uint8Array =>
  bytesOf(Float32Array.from(portion.flat()));

/** Rows without features: only their labels matter. Row r is of class r % classes. */
export const toyDataset = (classes: number, rows: number): DenseDataset => ({
  kind: "dense",
  rows,
  shape: [1],
  features: new Float32Array(rows),
  scale: 1,
  offset: 0,
  labels: Int32Array.from({ length: rows }, (_, row) => row % classes),
  classes,
});
