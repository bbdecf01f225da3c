/**
 * Portions of a small network: classes' rows of the last layer, with the hidden units behind them. Of those, the smallest
 * set that carries 90 % of the sum of |weight * activation| for the classes; a unit travels with its incoming weights and
 * its outgoing ones to the classes. Where it goes, it takes the place of the unit that matters least to the classes at
 * home: units are functions of the features, and their numbers mean nothing from one site to another.
 */
import { type TensorSpec, viewOf } from "../layout.ts";
import { type PortionReader, type PortionWriter, portionInvalid } from "./bytes.ts";
import type { GraphParts } from "./graph-shape.ts";

/** Part of the sum of |weight * activation| that the chosen units carry. */
const CARRIED = 0.9;
/** Part of the units that a portion may take the place of. */
const REPLACED = 0.5;
/** Larger weights could overflow, and honest ones are far from it. */
const LARGEST = 1e6;

export interface ReceivedClass {
  readonly c: number;
  readonly examples: number;
  readonly bias: number;
}

export interface ReceivedUnit {
  /** Features, then the constant; empty where the last layer reads the features. */
  readonly incoming: Float32Array;
  /** One a class of the portion. */
  readonly outgoing: Float32Array;
  /** The unit's number; matters only where the last layer reads the features. */
  readonly unit: number;
}

export interface ReceivedUnits {
  readonly classes: readonly ReceivedClass[];
  readonly units: readonly ReceivedUnit[];
}

export class GraphUnits {
  readonly #parts: GraphParts;
  readonly units: number;
  readonly #classes: number;

  constructor(parts: GraphParts) {
    this.#parts = parts;
    const [classes = 0, units = 0] = parts.last.weight.shape;
    this.#classes = classes;
    this.units = units;
  }

  /** Numbers of the units that carry 90 % of what the classes get, the most important first. */
  behind(classes: readonly number[], parameters: Float32Array, activity: Float32Array): number[] {
    const importance = this.#importance(classes, parameters, activity);
    const order = Array.from(importance.keys()).sort(
      (a, b) => (importance[b] as number) - (importance[a] as number) || a - b,
    );
    const total = importance.reduce((sum, value) => sum + value, 0);
    let carried = 0;
    let count = 0;
    while (count < order.length && carried < CARRIED * total)
      carried += importance[order[count++] as number] as number;
    const most = this.#parts.before ? Math.max(1, Math.floor(REPLACED * this.units)) : this.units;
    return order.slice(0, Math.min(count, most));
  }

  write(
    writer: PortionWriter,
    classes: readonly { readonly c: number; readonly examples: number }[],
    units: readonly number[],
    parameters: Float32Array,
  ): void {
    const { last, before } = this.#parts;
    const weights = viewOf(parameters, last.weight);
    writer.u16(classes.length);
    for (const { c, examples } of classes) {
      writer.u16(c);
      writer.f32(examples);
      writer.f32(elementOf(parameters, last.bias, c));
    }
    writer.u32(units.length);
    for (const unit of units) {
      writer.u32(unit);
      if (before) {
        const width = before.weight.shape[1] as number;
        const incoming = viewOf(parameters, before.weight);
        writer.sparse(incoming.subarray(unit * width, (unit + 1) * width));
        writer.f32(elementOf(parameters, before.bias, unit));
      }
      for (const { c } of classes) writer.f32(weights[c * this.units + unit] as number);
    }
  }

  read(reader: PortionReader): ReceivedUnits {
    const width = this.#parts.before?.weight.shape[1];
    const count = reader.within(reader.u16(), 1, this.#classes, "number of classes");
    const seen = new Set<number>();
    const classes = Array.from({ length: count }, () => {
      const c = reader.within(reader.u16(), 0, this.#classes - 1, "a class");
      if (seen.has(c)) throw portionInvalid(`class ${c} is there twice`);
      seen.add(c);
      return {
        c,
        examples: reader.weight("examples of a class"),
        bias: sane(reader.f32("a bias")),
      };
    });
    const met = new Set<number>();
    const most = reader.within(reader.u32(), 0, this.units, "number of hidden units");
    const units = Array.from({ length: most }, () => {
      const unit = reader.within(reader.u32(), 0, this.units - 1, "a hidden unit");
      if (met.has(unit)) throw portionInvalid(`hidden unit ${unit} is there twice`);
      met.add(unit);
      const incoming = new Float32Array(width === undefined ? 0 : width + 1);
      if (width !== undefined) {
        incoming.set(reader.sparse(width, "incoming weights"));
        incoming[width] = reader.f32("a unit's constant");
      }
      const outgoing = reader.f32s(count, "outgoing weights");
      for (const value of incoming) sane(value);
      for (const value of outgoing) sane(value);
      return { unit, incoming, outgoing };
    });
    reader.end();
    return { classes, units };
  }

  /**
   * Puts the received units in the places of those that matter least to `home`, and the classes' rows over their own,
   * `part(class)` of the way.
   */
  place(
    { classes, units }: ReceivedUnits,
    parameters: Float32Array,
    activity: Float32Array,
    home: readonly number[],
    part: (received: ReceivedClass) => number,
  ): void {
    const { last, before } = this.#parts;
    const weights = viewOf(parameters, last.weight);
    const free = before ? this.#leastFor(home, parameters, activity) : [];
    const parts = classes.map(part);
    for (const [k, { c, bias }] of classes.entries()) {
      const keep = 1 - (parts[k] as number);
      for (let u = 0; u < this.units; u++) weights[c * this.units + u]! *= keep;
      if (last.bias)
        parameters[last.bias.offset + c] =
          keep * elementOf(parameters, last.bias, c) + (1 - keep) * bias;
    }
    const most = before ? Math.floor(REPLACED * this.units) : this.units;
    for (const [i, { unit, incoming, outgoing }] of units.slice(0, Math.max(1, most)).entries()) {
      const at = before ? (free[i] as number) : unit;
      if (before) {
        const width = incoming.length - 1;
        viewOf(parameters, before.weight).set(incoming.subarray(0, width), at * width);
        if (before.bias) parameters[before.bias.offset + at] = incoming[width] as number;
        for (let c = 0; c < this.#classes; c++) weights[c * this.units + at] = 0;
      }
      for (const [k, { c }] of classes.entries())
        weights[c * this.units + at]! += (parts[k] as number) * (outgoing[k] as number);
    }
  }

  #leastFor(
    classes: readonly number[],
    parameters: Float32Array,
    activity: Float32Array,
  ): readonly number[] {
    const importance = this.#importance(classes, parameters, activity);
    return Array.from(importance.keys()).sort(
      (a, b) => (importance[a] as number) - (importance[b] as number) || a - b,
    );
  }

  /** Of each unit: the sum over the classes of |weight * mean |activation| on the class|. */
  #importance(
    classes: readonly number[],
    parameters: Float32Array,
    activity: Float32Array,
  ): Float64Array {
    const weights = viewOf(parameters, this.#parts.last.weight);
    const importance = new Float64Array(this.units);
    for (const c of classes)
      for (let u = 0; u < this.units; u++) {
        const at = c * this.units + u;
        importance[u]! += Math.abs((weights[at] as number) * (activity[at] as number));
      }
    return importance;
  }
}

const elementOf = (flat: Float32Array, tensor: TensorSpec | undefined, index: number): number =>
  tensor ? (flat[tensor.offset + index] as number) : 0;

function sane(value: number): number {
  if (Math.abs(value) > LARGEST) throw portionInvalid(`a weight is larger than ${LARGEST}`);
  return value;
}
