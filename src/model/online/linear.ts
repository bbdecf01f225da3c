/**
 * Linear models that learn online, tailored to a site: a row of weights for each class that the site has met, and none
 * for others, so that a site with few classes has a small model.
 *
 * Portions are classes' rows, each with the mean features of the class's recent examples. The rows that the receiver has
 * of other classes have never seen that class and may well claim its examples; they are moved, as little as need be, so
 * that they do not claim their mean (Crammer et al., "Online passive-aggressive algorithms", JMLR 7, 2006). Without it the
 * newcomer is foretold for half of its examples only, until they have learnt otherwise.
 */
import type { Batch } from "../../core/dataset.ts";
import type { Bytes, Flops } from "../../core/units.ts";
import type { MergeContext, PackRequest, Portion, TailoredModel } from "../tailored.ts";
import { type PortionReader, type PortionWriter, portionInvalid, sparseBytes } from "./bytes.ts";
import { ClassPortions } from "./class-portions.ts";
import { FRAME_BYTES, type RowShape, readFrame, writeFrame } from "./frame.ts";
import type { LinearRule } from "./linear-rule.ts";
import { Recall } from "./recall.ts";
import { type Bits, readSparse, sparseRoundedBytes, writeSparse } from "./rounded.ts";
import { denseOf, labelOf, NonZeros } from "./rows.ts";

/**
 * Of a weight that is handed over. Eight halve what an SVM on digits moves in all (75 kB, 40 kB), and it errs as much
 * after the shift (9.1 %); four save no more than another 6 kB (five seeds other than the reported ones).
 */
const BITS: Bits = 8;

/** Weights are values times scale, so that shrinking all of them is one product. */
class Row {
  /** Of the features, then the constant. */
  readonly values: Float32Array;
  /** Mean features of the class's recent examples. */
  readonly centre: Float32Array;
  scale = 1;
  steps = 0;

  constructor(features: number) {
    this.values = new Float32Array(features + 1);
    this.centre = new Float32Array(features);
  }

  /** Moves the centre by `part` of the way to an example. */
  meet({ places, values: x, count }: NonZeros, part: number): void {
    const { centre } = this;
    for (let i = 0; i < centre.length; i++) centre[i]! *= 1 - part;
    for (let i = 0; i < count; i++) centre[places[i] as number]! += part * (x[i] as number);
  }

  /** Away from the centre of another class, until that scores -1 as an example against this row should. */
  shun(centre: Float32Array): void {
    const { values } = this;
    let [score, squares] = [values[centre.length] as number, 1];
    for (let i = 0; i < centre.length; i++) {
      score += (values[i] as number) * (centre[i] as number);
      squares += (centre[i] as number) ** 2;
    }
    if (score <= -1) return;
    const step = (score + 1) / squares;
    for (let i = 0; i < centre.length; i++) values[i]! -= step * (centre[i] as number);
    values[centre.length]! -= step;
  }

  score({ places, values: x, count }: NonZeros): number {
    const { values } = this;
    let sum = values[values.length - 1] as number;
    for (let i = 0; i < count; i++)
      sum += (values[places[i] as number] as number) * (x[i] as number);
    return sum * this.scale;
  }

  /** w <- shrink w + by x */
  move(shrink: number, by: number, { places, values: x, count }: NonZeros): void {
    const { values } = this;
    this.scale *= shrink;
    if (this.scale < 1e-4) this.settle();
    if (by === 0) return;
    const step = by / this.scale;
    for (let i = 0; i < count; i++) values[places[i] as number]! += step * (x[i] as number);
    values[values.length - 1]! += step;
  }

  /** Scale 1. */
  settle(): void {
    const { values, scale } = this;
    if (scale !== 1) for (let i = 0; i < values.length; i++) values[i]! *= scale;
    this.scale = 1;
  }
}

export class LinearModel implements TailoredModel {
  readonly kind: LinearRule["kind"];
  readonly classes: number;
  version = 0;
  readonly #rule: LinearRule;
  readonly #shape: RowShape;
  readonly #trusted: number;
  readonly #x: NonZeros;
  readonly #scores: Float64Array;
  #rows: (Row | undefined)[];
  #recall: Recall;

  /** `trusted`: see `OnlineModelSpec`. */
  constructor(rule: LinearRule, trusted: number, shape: RowShape) {
    this.kind = rule.kind;
    this.classes = shape.classes;
    this.#rule = rule;
    this.#shape = shape;
    this.#trusted = trusted;
    this.#x = new NonZeros(shape.features);
    this.#scores = new Float64Array(shape.classes);
    this.#rows = new Array(shape.classes).fill(undefined);
    this.#recall = new Recall(shape.classes);
  }

  bytes(): Bytes {
    let bytes = FRAME_BYTES + 8 * this.classes + this.classes;
    for (const row of this.#rows)
      if (row) bytes += 4 + sparseBytes(row.values) + sparseBytes(row.centre);
    return bytes;
  }

  async predict(batch: Batch, out: Int32Array): Promise<Flops> {
    const data = denseOf(batch, this.#shape);
    let flops = 0;
    for (let i = 0; i < batch.rows.length; i++) {
      this.#x.read(data, batch.rows[i] as number);
      out[i] = this.#score();
      flops += 2 * this.#x.count * this.#known();
    }
    return flops;
  }

  async learn(batch: Batch): Promise<Flops> {
    const data = denseOf(batch, this.#shape);
    const x = this.#x;
    let flops = 0;
    for (const row of batch.rows) {
      const label = labelOf(data, row);
      if (label < 0) continue;
      x.read(data, row);
      this.#rows[label] ??= new Row(this.#shape.features);
      this.#recall.add(label, this.#score());
      this.#rows[label]?.meet(x, 1 / (this.#recall.seen[label] as number));
      flops +=
        2 * x.count * (this.#known() + this.#step(label)) + 2 * x.count + this.#shape.features;
    }
    for (const row of this.#rows) row?.settle();
    this.version++;
    return flops;
  }

  portions(): readonly Portion[] {
    return this.#portions().list();
  }

  pack({ classes, maxBytes }: PackRequest): Uint8Array | undefined {
    const chosen = this.#portions().choose(classes, maxBytes - FRAME_BYTES - 2);
    if (chosen.length === 0) return undefined;
    const writer = writeFrame(this.kind, "portion", this.#shape);
    writer.u16(chosen.length);
    for (const c of chosen) {
      writer.u16(c);
      writer.f32(this.#recall.seen[c] as number);
      offerRow(writer, this.#rows[c] as Row);
    }
    return writer.finish();
  }

  merge(packed: Uint8Array, { counts }: MergeContext): void {
    const reader = readFrame(packed, this.kind, "portion", this.#shape);
    const received = this.#portions().read(reader, () => ({
      examples: reader.weight("examples of a class"),
      row: offeredRow(reader, this.#shape.features),
    }));
    for (const [c, { examples, row }] of received) {
      const own = this.#rows[c];
      const had = counts[c] ?? 0;
      if (own === undefined || had < this.#trusted) this.#rows[c] = row;
      else average(own, had, row, examples);
    }
    for (const [c, { row }] of received)
      for (let k = 0; k < this.classes; k++)
        if (k !== c && !received.has(k)) this.#rows[k]?.shun(row.centre);
    this.version++;
  }

  save(): Uint8Array {
    const writer = writeFrame(this.kind, "model", this.#shape);
    this.#recall.write(writer);
    for (const row of this.#rows) {
      writer.u8(row ? 1 : 0);
      if (row) writeRow(writer, row);
    }
    return writer.finish();
  }

  restore(saved: Uint8Array): void {
    const { recall, rows } = this.#read(saved);
    this.#recall = recall;
    this.#rows = rows;
    this.version++;
  }

  /** A class's row is the mean over the models that have met it. */
  average(saved: readonly Uint8Array[], weights: readonly number[]): void {
    const models = saved.map((bytes) => this.#read(bytes));
    this.#recall = Recall.mean(
      models.map(({ recall }) => recall),
      weights,
    );
    this.#rows = this.#rows.map((_, c) => {
      let sum: Row | undefined;
      let had = 0;
      for (const [i, { rows }] of models.entries()) {
        const row = rows[c];
        const weight = weights[i] as number;
        if (!row || weight <= 0) continue;
        if (sum) average(sum, had, row, weight);
        else sum = row;
        had += weight;
      }
      return sum;
    });
    this.version++;
  }

  async close(): Promise<void> {}

  #read(saved: Uint8Array): { readonly recall: Recall; readonly rows: (Row | undefined)[] } {
    const reader = readFrame(saved, this.kind, "model", this.#shape);
    const recall = Recall.read(reader, this.classes);
    const rows = Array.from({ length: this.classes }, (_, c) =>
      reader.within(reader.u8(), 0, 1, `presence of class ${c}`) === 1
        ? readRow(reader, this.#shape.features)
        : undefined,
    );
    reader.end();
    return { recall, rows };
  }

  #portions(): ClassPortions {
    return new ClassPortions(this.#recall, (c) => {
      const row = this.#rows[c];
      if (!row) return undefined;
      const numbers =
        sparseRoundedBytes(weightsOf(row), BITS) + sparseRoundedBytes(row.centre, BITS);
      return 2 + 4 + 4 + 4 + numbers;
    });
  }

  #known(): number {
    let known = 0;
    for (let c = 0; c < this.classes; c++) if (this.#rows[c]) known++;
    return known;
  }

  /** The class with the largest score; scores of known classes are in `#scores`. */
  #score(): number {
    let best = -1;
    for (let c = 0; c < this.classes; c++) {
      const row = this.#rows[c];
      if (!row) continue;
      const score = row.score(this.#x);
      this.#scores[c] = score;
      if (best < 0 || score > (this.#scores[best] as number)) best = c;
    }
    return Math.max(0, best);
  }

  /** One step of every row on the example in `#x`, whose scores are known; answers how many rows moved. */
  #step(label: number): number {
    const rule = this.#rule;
    const squares = rule.curvature * (this.#x.squares + 1);
    let moved = 0;
    for (let c = 0; c < this.classes; c++) {
      const row = this.#rows[c];
      if (!row) continue;
      const sign = c === label ? 1 : -1;
      const slope = rule.slope(sign * (this.#scores[c] as number));
      const rate = 1 / (rule.inverseRate(++row.steps) + squares);
      row.move(1 - rate * rule.l2, -rate * slope * sign, this.#x);
      if (slope !== 0) moved++;
    }
    return moved;
  }
}

/** The mean of two rows, by examples. */
function average(own: Row, had: number, other: Row, has: number): void {
  const part = has / (had + has);
  const blend = (into: Float32Array, from: Float32Array): void => {
    for (let i = 0; i < into.length; i++)
      into[i]! += part * ((from[i] as number) - (into[i] as number));
  };
  blend(own.values, other.values);
  blend(own.centre, other.centre);
}

function writeRow(writer: PortionWriter, row: Row): void {
  writer.u32(row.steps);
  writer.sparse(row.values);
  writer.sparse(row.centre);
}

function readRow(reader: PortionReader, features: number): Row {
  const row = new Row(features);
  row.steps = reader.u32();
  row.values.set(reader.sparse(features + 1, "weights"));
  row.centre.set(reader.sparse(features, "mean of a class"));
  return sane(row);
}

/** Rounded, but for the constant. */
function offerRow(writer: PortionWriter, row: Row): void {
  writer.u32(row.steps);
  writer.f32(row.values.at(-1) as number);
  writeSparse(writer, weightsOf(row), BITS);
  writeSparse(writer, row.centre, BITS);
}

function offeredRow(reader: PortionReader, features: number): Row {
  const row = new Row(features);
  row.steps = reader.u32();
  row.values[features] = reader.f32("a constant");
  row.values.set(readSparse(reader, features, BITS, "weights"));
  row.centre.set(readSparse(reader, features, BITS, "mean of a class"));
  return sane(row);
}

const weightsOf = ({ values }: Row): Float32Array => values.subarray(0, -1);

function sane(row: Row): Row {
  for (const numbers of [row.values, row.centre])
    if (numbers.some((value) => Math.abs(value) > LARGEST))
      throw portionInvalid(`a weight or mean is larger than ${LARGEST}`);
  return row;
}

/** Products of larger weights with features could overflow, and honest ones are far from it. */
const LARGEST = 1e15;
