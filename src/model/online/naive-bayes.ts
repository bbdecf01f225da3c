/**
 * Gaussian naive Bayes that learns online (John and Langley, "Estimating continuous distributions in Bayesian
 * classifiers", UAI 1995), tailored to a site: means and variances for each class that it has met. Portions are
 * classes' statistics; two sites' statistics of a class pool to those of all their examples.
 *
 * How frequent a class is, is the site's own and recent: it never travels.
 */
import type { Batch } from "../../core/dataset.ts";
import type { Bytes, Flops } from "../../core/units.ts";
import type { MergeContext, PackRequest, Portion, TailoredModel } from "../tailored.ts";
import { type PortionReader, type PortionWriter, portionInvalid } from "./bytes.ts";
import { ClassPortions } from "./class-portions.ts";
import { FRAME_BYTES, type RowShape, readFrame, writeFrame } from "./frame.ts";
import { Gaussians } from "./gaussian.ts";
import { Recall } from "./recall.ts";
import { Remembered } from "./remembered.ts";
import { denseOf, labelOf, NonZeros } from "./rows.ts";
import type { NaiveBayesSpec } from "./spec.ts";

/** Examples whose classes make the prior probabilities; older ones count half, and half again. */
const PRIOR = 1024;

export class NaiveBayes implements TailoredModel {
  readonly kind = "naive-bayes";
  readonly classes: number;
  version = 0;
  readonly #spec: NaiveBayesSpec;
  readonly #shape: RowShape;
  readonly #x: NonZeros;
  readonly #remembered = new Remembered<Int32Array>();
  #own = new Int32Array(0);
  #statistics: (Gaussians | undefined)[];
  /** Recent examples of each class. */
  #frequency: Float32Array;
  #recall: Recall;

  constructor(spec: NaiveBayesSpec, shape: RowShape) {
    this.classes = shape.classes;
    this.#spec = spec;
    this.#shape = shape;
    this.#x = new NonZeros(shape.features);
    this.#statistics = new Array(shape.classes).fill(undefined);
    this.#frequency = new Float32Array(shape.classes);
    this.#recall = new Recall(shape.classes);
  }

  bytes(): Bytes {
    return FRAME_BYTES + 13 * this.classes + this.#known() * (4 + 8 * this.#shape.features);
  }

  async predict(batch: Batch, out: Int32Array): Promise<Flops> {
    const flops = this.#predict(batch);
    for (let i = 0; i < batch.rows.length; i++) out[i] = this.#own[i] as number;
    return flops;
  }

  async learn(batch: Batch): Promise<Flops> {
    const data = denseOf(batch, this.#shape);
    const { rows } = batch;
    let flops = 0;
    if (!this.#remembered.of(batch, this.version)) flops += this.#predict(batch);
    const foretold = this.#own;
    const { features } = this.#shape;
    for (let i = 0; i < rows.length; i++) {
      const row = rows[i] as number;
      const label = labelOf(data, row);
      if (label < 0) continue;
      this.#recall.add(label, foretold[i] as number);
      this.#met(label);
      this.#statistics[label] ??= new Gaussians(features);
      this.#statistics[label]?.add(data.features, row * features, data, this.#spec.memory);
      flops += 8 * features;
    }
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
      write(writer, this.#statistics[c] as Gaussians);
    }
    return writer.finish();
  }

  merge(packed: Uint8Array, { counts }: MergeContext): void {
    const reader = readFrame(packed, this.kind, "portion", this.#shape);
    const received = this.#portions().read(reader, () => this.#read(reader));
    for (const [c, statistics] of received) {
      const own = this.#statistics[c];
      if (own === undefined || (counts[c] ?? 0) < this.#spec.trusted)
        this.#statistics[c] = statistics;
      else own.pool(statistics, this.#spec.memory);
    }
    this.version++;
  }

  save(): Uint8Array {
    const writer = writeFrame(this.kind, "model", this.#shape);
    this.#recall.write(writer);
    writer.f32s(this.#frequency);
    for (const statistics of this.#statistics) {
      writer.u8(statistics ? 1 : 0);
      if (statistics) write(writer, statistics);
    }
    return writer.finish();
  }

  restore(saved: Uint8Array): void {
    const { recall, frequency, statistics } = this.#readModel(saved);
    this.#recall = recall;
    this.#frequency = frequency;
    this.#statistics = statistics;
    this.version++;
  }

  /**
   * A class's statistics are those of all the models' examples together. They count as those of the model that has most,
   * since averages that went out before are in all of them.
   */
  average(saved: readonly Uint8Array[], weights: readonly number[]): void {
    const models = saved.map((bytes) => this.#readModel(bytes));
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    this.#recall = Recall.mean(
      models.map(({ recall }) => recall),
      weights,
    );
    this.#frequency = this.#frequency.map((_, c) =>
      models.reduce(
        (sum, { frequency }, i) =>
          sum + ((weights[i] as number) / total) * (frequency[c] as number),
        0,
      ),
    );
    this.#statistics = this.#statistics.map((_, c) => {
      const there = models.flatMap(({ statistics }) => statistics[c] ?? []);
      const [first, ...others] = there;
      if (!first) return undefined;
      const most = Math.max(...there.map(({ count }) => count));
      for (const other of others) first.pool(other, Number.POSITIVE_INFINITY);
      first.count = most;
      return first;
    });
    this.version++;
  }

  #readModel(saved: Uint8Array) {
    const reader = readFrame(saved, this.kind, "model", this.#shape);
    const recall = Recall.read(reader, this.classes);
    const frequency = Float32Array.from({ length: this.classes }, () =>
      reader.weight("frequency of a class"),
    );
    if (frequency.some((value) => value > PRIOR)) throw portionInvalid("a class is too frequent");
    const statistics = this.#statistics.map((_, c) =>
      reader.within(reader.u8(), 0, 1, `presence of class ${c}`) === 1
        ? this.#read(reader)
        : undefined,
    );
    reader.end();
    return { recall, frequency, statistics };
  }

  async close(): Promise<void> {}

  /** Means and variances of a class as they stand, and from how many examples; undefined where it was not met. */
  statistics(c: number): Pick<Gaussians, "count" | "mean" | "variance"> | undefined {
    return this.#statistics[c];
  }

  /** Into `#own`. */
  #predict(batch: Batch): Flops {
    if (this.#own.length !== batch.rows.length) this.#own = new Int32Array(batch.rows.length);
    const out = this.#own;
    const data = denseOf(batch, this.#shape);
    const { smoothing } = this.#spec;
    let flops = 0;
    for (const each of this.#statistics) flops += each?.refreshFlops() ?? 0;
    const priors = this.#priors();
    const known = this.#known();
    for (let i = 0; i < batch.rows.length; i++) {
      this.#x.read(data, batch.rows[i] as number);
      let [best, most] = [0, Number.NEGATIVE_INFINITY];
      for (let c = 0; c < this.classes; c++) {
        const statistics = this.#statistics[c];
        if (!statistics) continue;
        const score = (priors[c] as number) + statistics.logDensity(this.#x, smoothing);
        if (score > most) [best, most] = [c, score];
      }
      out[i] = best;
      flops += 5 * known * this.#x.count;
    }
    this.#remembered.keep(batch, this.version, out);
    return flops;
  }

  /** Logarithms; a class that a portion brought counts as one example. */
  #priors(): Float64Array {
    let total = this.classes;
    for (let c = 0; c < this.classes; c++) total += this.#frequency[c] as number;
    return Float64Array.from(this.#frequency, (count) => Math.log((count + 1) / total));
  }

  #met(label: number): void {
    const frequency = this.#frequency;
    frequency[label]! += 1;
    if ((frequency[label] as number) < PRIOR / 2) return;
    for (let c = 0; c < frequency.length; c++) frequency[c]! /= 2;
  }

  #known(): number {
    let known = 0;
    for (const statistics of this.#statistics) if (statistics) known++;
    return known;
  }

  #portions(): ClassPortions {
    return new ClassPortions(this.#recall, (c) =>
      this.#statistics[c] ? 2 + 4 + 8 * this.#shape.features : undefined,
    );
  }

  #read(reader: PortionReader): Gaussians {
    const { features } = this.#shape;
    const statistics = new Gaussians(features);
    statistics.count = reader.within(reader.u32(), 1, 0xffff_ffff, "examples of a class");
    statistics.count = Math.min(statistics.count, this.#spec.memory);
    statistics.mean.set(reader.f32s(features, "mean"));
    statistics.variance.set(reader.f32s(features, "variance"));
    if (statistics.variance.some((value) => value < 0)) throw portionInvalid("a variance < 0");
    if ([...statistics.mean, ...statistics.variance].some((value) => Math.abs(value) > LARGEST))
      throw portionInvalid(`a mean or variance is larger than ${LARGEST}`);
    return statistics;
  }
}

/** Squares and products of larger numbers could overflow, and honest ones are far from it. */
const LARGEST = 1e15;

function write(writer: PortionWriter, { count, mean, variance }: Gaussians): void {
  writer.u32(count);
  writer.f32s(mean);
  writer.f32s(variance);
}
