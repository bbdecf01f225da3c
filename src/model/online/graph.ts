/**
 * A small neural network that learns online, tailored to a site: one step of gradient descent, with momentum or without,
 * a batch. What it hands over is, as `transfer` says:
 *  - `units`: classes' rows of the last layer with the hidden units behind them (graph-units.ts), after the transfer of
 *    significant parameters of Daga et al., "Canoe: a system for collaborative learning for neural nets" (arXiv
 *    2108.12124);
 *  - `boost`: the whole model, which votes beside the receiver's own as a second member, as there by boosting. The two are
 *    weighed anew at each batch, by class and recent recall; a second member that has become no better at any class goes.
 */
import type { Batch } from "../../core/dataset.ts";
import type { Random } from "../../core/random.ts";
import type { Bytes, Flops } from "../../core/units.ts";
import type { MergeContext, PackRequest, Portion, TailoredModel } from "../tailored.ts";
import { type PortionReader, portionInvalid } from "./bytes.ts";
import { FRAME_BYTES, type RowShape, readFrame, writeFrame } from "./frame.ts";
import type { GraphShared } from "./graph-shared.ts";
import type { GraphUnits } from "./graph-units.ts";
import { Recall } from "./recall.ts";
import { Remembered } from "./remembered.ts";
import { type Bits, readRounded, roundedBytes, writeRounded } from "./rounded.ts";
import { denseOf, labelOf } from "./rows.ts";
import { weigh } from "./say.ts";
import type { GraphSpec } from "./spec.ts";

/** A network with what is known of its recent predictions. */
interface Member {
  parameters: Float32Array;
  recall: Recall;
}

/** Classes that the members foretell of a batch; what the last layer of the own one reads. */
interface Foretold {
  readonly own: Int32Array;
  readonly second: Int32Array | undefined;
  readonly both: Int32Array;
  readonly hidden: Float32Array | undefined;
  readonly flops: Flops;
}

/**
 * Of a parameter of a network that is handed over whole. With four a network on digits errs as much after the shift as
 * with eight (8.1 %), and moves 168 kB in place of 302 (ten seeds other than the reported ones).
 */
const BITS: Bits = 4;
/** Examples after which a second member must have shown its use. */
const TRIAL = 256;
/** Larger parameters could overflow, and honest ones are far from it. */
const LARGEST = 1e6;

export class GraphModel implements TailoredModel {
  readonly kind = "graph";
  readonly classes: number;
  version = 0;
  readonly #spec: GraphSpec;
  readonly #shape: RowShape;
  readonly #shared: GraphShared;
  readonly #remembered = new Remembered<Foretold>();
  readonly #own: Member;
  #velocity: Float32Array | undefined;
  /** classes x units: mean |activation| of each hidden unit on the class's recent examples. */
  #activity: Float32Array;
  #second: Member | undefined;
  /** Examples since the second member came. */
  #together = 0;
  #steps = 0;
  #closed = false;

  constructor(spec: GraphSpec, shape: RowShape, shared: GraphShared, random: Random) {
    this.classes = shape.classes;
    this.#spec = spec;
    this.#shape = shape;
    this.#shared = shared;
    this.#own = { parameters: shared.initialise(random), recall: new Recall(shape.classes) };
    if (spec.momentum > 0) this.#velocity = new Float32Array(shared.layout.trained);
    this.#activity = new Float32Array(shape.classes * (shared.units?.units ?? 0));
    shared.open();
  }

  bytes(): Bytes {
    const { length } = this.#shared.layout;
    const member = 4 * length + 8 * this.classes;
    const second = this.#second ? member : 0;
    const state = 4 * (this.#velocity?.length ?? 0) + 4 * this.#activity.length;
    return FRAME_BYTES + member + state + 1 + second + 8;
  }

  async predict(batch: Batch, out: Int32Array): Promise<Flops> {
    const { both, flops } = await this.#foretell(batch);
    for (let i = 0; i < both.length; i++) out[i] = both[i] as number;
    return flops;
  }

  async learn(batch: Batch): Promise<Flops> {
    const data = denseOf(batch, this.#shape);
    const rows = batch.rows.filter((row) => labelOf(data, row) >= 0);
    if (rows.length === 0) return 0;
    const known = this.#remembered.of(batch, this.version);
    const foretold = known ?? (await this.#foretell(batch));
    for (let i = 0; i < batch.rows.length; i++) {
      const label = labelOf(data, batch.rows[i] as number);
      if (label >= 0) this.#met(label, i, foretold);
    }
    this.#dismiss();
    const draw = { worker: 0, clock: this.#steps++ };
    const step = { dataset: data, rows, draw };
    const flops = await this.#shared.step(this.#own.parameters, step, (result) =>
      this.#descend(result),
    );
    this.version++;
    return flops + (known ? 0 : foretold.flops);
  }

  portions(): readonly Portion[] {
    const { recall } = this.#own;
    const use = Float32Array.from({ length: this.classes }, (_, c) => recall.of(c));
    if (!this.#shared.units) return [{ id: "model", bytes: this.#wholeBytes(), use }];
    return Array.from({ length: this.classes }, (_, c) => c)
      .filter((c) => recall.of(c) > 0)
      .map((c) => ({
        id: `class ${c}`,
        bytes: this.#packUnits(this.#shared.units as GraphUnits, [c]).length,
        use: use.map((value, k) => (k === c ? value : Number.NaN)),
      }));
  }

  pack({ classes, maxBytes }: PackRequest): Uint8Array | undefined {
    const { recall } = this.#own;
    const useful = [...new Set(classes)]
      .filter((c) => recall.of(c) > 0)
      .sort((a, b) => recall.of(b) - recall.of(a) || a - b);
    if (useful.length === 0) return undefined;
    const { units } = this.#shared;
    if (!units) return this.#wholeBytes() <= maxBytes ? this.#packWhole() : undefined;
    // Classes share units, so that the bytes of several are known only once packed.
    for (; useful.length > 0; useful.pop()) {
      const packed = this.#packUnits(units, useful);
      if (packed.length <= maxBytes) return packed;
    }
    return undefined;
  }

  merge(packed: Uint8Array, { counts }: MergeContext): void {
    const reader = readFrame(packed, this.kind, "portion", this.#shape);
    const { units } = this.#shared;
    reader.within(reader.u8(), units ? 1 : 2, units ? 1 : 2, "what is handed over");
    const { parameters, recall } = this.#own;
    if (!units) {
      const second = this.#readMember(reader, (length, what) =>
        readRounded(reader, length, BITS, what),
      );
      reader.end();
      this.#second = second;
      this.#together = 0;
    } else {
      const received = units.read(reader);
      const news = new Set(received.classes.map(({ c }) => c));
      const home = Array.from(recall.seen.keys()).filter(
        (c) => (recall.seen[c] as number) > 0 && !news.has(c),
      );
      units.place(received, parameters, this.#activity, home, ({ c, examples }) => {
        const had = counts[c] ?? 0;
        return had < this.#spec.trusted ? 1 : examples / (had + examples);
      });
    }
    this.version++;
  }

  save(): Uint8Array {
    const writer = writeFrame(this.kind, "model", this.#shape);
    const write = ({ parameters, recall }: Member): void => {
      writer.f32s(parameters);
      recall.write(writer);
    };
    write(this.#own);
    if (this.#velocity) writer.f32s(this.#velocity);
    writer.f32s(this.#activity);
    writer.u32(this.#steps);
    writer.u32(this.#together);
    writer.u8(this.#second ? 1 : 0);
    if (this.#second) write(this.#second);
    return writer.finish();
  }

  restore(saved: Uint8Array): void {
    const { own, velocity, activity, steps, together, second } = this.#read(saved);
    this.#own.parameters.set(own.parameters);
    this.#own.recall = own.recall;
    this.#velocity = velocity;
    this.#activity = activity;
    this.#steps = steps;
    this.#together = together;
    this.#second = second;
    this.version++;
  }

  /** Of the own networks; second members do not take part. */
  average(saved: readonly Uint8Array[], weights: readonly number[]): void {
    const models = saved.map((bytes) => this.#read(bytes));
    const mean = (target: Float32Array, of: (model: (typeof models)[number]) => Float32Array) =>
      meanOf(target, models.map(of), weights);
    mean(this.#own.parameters, ({ own }) => own.parameters);
    mean(this.#activity, ({ activity }) => activity);
    if (this.#velocity) mean(this.#velocity, ({ velocity = new Float32Array(0) }) => velocity);
    this.#own.recall = Recall.mean(
      models.map(({ own }) => own.recall),
      weights,
    );
    this.#steps = Math.max(...models.map(({ steps }) => steps));
    this.#second = undefined;
    this.version++;
  }

  #read(saved: Uint8Array) {
    const reader = readFrame(saved, this.kind, "model", this.#shape);
    const own = this.#readMember(reader);
    const velocity = this.#velocity && reader.f32s(this.#velocity.length, "momentum");
    const activity = reader.f32s(this.#activity.length, "activity of a hidden unit");
    const steps = reader.u32();
    const together = reader.u32();
    const has = reader.within(reader.u8(), 0, 1, "presence of a second model");
    const second = has === 1 ? this.#readMember(reader) : undefined;
    reader.end();
    return { own, velocity, activity, steps, together, second };
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#shared.close();
  }

  async #foretell(batch: Batch): Promise<Foretold> {
    denseOf(batch, this.#shape);
    const version = this.version;
    let shares = new Float32Array(0);
    let hidden: Float32Array | undefined;
    let flops = await this.#shared.programs.run(this.#own.parameters, batch, ([output, reads]) => {
      shares = (output as Float32Array).map(sigmoid);
      hidden = reads?.slice();
    });
    const own = this.#best(shares);
    if (!this.#second)
      return this.#remembered.keep(batch, version, {
        own,
        second: undefined,
        both: own,
        hidden,
        flops,
      });
    const ours = shares;
    flops += await this.#shared.programs.run(this.#second.parameters, batch, ([output]) => {
      shares = (output as Float32Array).map(sigmoid);
    });
    const second = this.#best(shares);
    const say = new Float64Array(2 * this.classes);
    weigh([this.#own.recall, this.#second.recall], this.classes, say);
    for (let k = 0; k < shares.length; k++) {
      const c = k % this.classes;
      const mine = (ours[k] as number) * (say[c] as number);
      shares[k] = mine + (shares[k] as number) * (say[this.classes + c] as number);
    }
    const foretold = { own, second, both: this.#best(shares), hidden, flops };
    return this.#remembered.keep(batch, version, foretold);
  }

  /** The class of each row with the largest share. */
  #best(shares: Float32Array): Int32Array {
    const { classes } = this;
    const best = new Int32Array(shares.length / classes);
    for (let i = 0; i < best.length; i++) {
      let most = 0;
      for (let c = 1; c < classes; c++)
        if ((shares[i * classes + c] as number) > (shares[i * classes + most] as number)) most = c;
      best[i] = most;
    }
    return best;
  }

  #met(label: number, i: number, { own, second, hidden }: Foretold): void {
    const { recall } = this.#own;
    recall.add(label, own[i] as number);
    if (this.#second && second) {
      this.#second.recall.add(label, second[i] as number);
      this.#together++;
    }
    const units = this.#shared.units?.units ?? 0;
    if (!hidden || units === 0) return;
    const part = 1 / (recall.seen[label] as number);
    for (let u = 0; u < units; u++) {
      const at = label * units + u;
      const before = this.#activity[at] as number;
      const now = Math.abs(hidden[i * units + u] as number);
      this.#activity[at] = before + part * (now - before);
    }
  }

  /** A second member that foretells no class better than the own one has done its work. */
  #dismiss(): void {
    if (!this.#second || this.#together < TRIAL) return;
    const [ours, theirs] = [this.#own.recall, this.#second.recall];
    for (let c = 0; c < this.classes; c++) if ((theirs.of(c) || 0) > (ours.of(c) || 0)) return;
    this.#second = undefined;
  }

  #descend(result: Float32Array): void {
    const { parameters } = this.#own;
    const { rate, momentum } = this.#spec;
    const { trained } = this.#shared.layout;
    const velocity = this.#velocity;
    for (let k = 0; k < trained; k++) {
      let step = result[k] as number;
      if (velocity) velocity[k] = step += momentum * (velocity[k] as number);
      parameters[k]! -= rate * step;
    }
    for (let k = trained; k < parameters.length; k++) parameters[k]! += result[k] as number;
  }

  #packUnits(units: GraphUnits, classes: readonly number[]): Uint8Array {
    const { parameters, recall } = this.#own;
    const writer = writeFrame(this.kind, "portion", this.#shape);
    writer.u8(1);
    units.write(
      writer,
      classes.map((c) => ({ c, examples: recall.seen[c] as number })),
      units.behind(classes, parameters, this.#activity),
      parameters,
    );
    return writer.finish();
  }

  #wholeBytes(): Bytes {
    return FRAME_BYTES + 1 + roundedBytes(this.#shared.layout.length, BITS) + 8 * this.classes;
  }

  #packWhole(): Uint8Array {
    const writer = writeFrame(this.kind, "portion", this.#shape);
    writer.u8(2);
    writeRounded(writer, this.#own.parameters, BITS);
    this.#own.recall.write(writer);
    return writer.finish();
  }

  #readMember(
    reader: PortionReader,
    read = (length: number, what: string) => reader.f32s(length, what),
  ): Member {
    const parameters = read(this.#shared.layout.length, "parameters");
    if (parameters.some((value) => Math.abs(value) > LARGEST))
      throw portionInvalid(`a parameter is larger than ${LARGEST}`);
    const recall = Recall.read(reader, this.classes);
    return { parameters, recall };
  }
}

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

/** Into `target`, by weights, in their order. */
function meanOf(
  target: Float32Array,
  all: readonly Float32Array[],
  weights: readonly number[],
): void {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  for (let k = 0; k < target.length; k++) {
    let sum = 0;
    for (const [i, values] of all.entries()) sum += (weights[i] as number) * (values[k] as number);
    target[k] = sum / total;
  }
}
