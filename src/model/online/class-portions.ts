/** Portions that are classes: what there is, what an asker gets, and how received ones are read. */
import type { Bytes } from "../../core/units.ts";
import type { Portion } from "../tailored.ts";
import { type PortionReader, portionInvalid } from "./bytes.ts";
import type { Recall } from "./recall.ts";

export class ClassPortions {
  readonly #recall: Recall;
  readonly #bytesOf: (c: number) => Bytes | undefined;

  /** `bytesOf`: of a class's portion once packed; undefined where the model has none. */
  constructor(recall: Recall, bytesOf: (c: number) => Bytes | undefined) {
    this.#recall = recall;
    this.#bytesOf = bytesOf;
  }

  list(): readonly Portion[] {
    const { seen } = this.#recall;
    const portions: Portion[] = [];
    for (let c = 0; c < seen.length; c++) {
      const bytes = this.#bytesOf(c);
      if (bytes === undefined) continue;
      const use = new Float32Array(seen.length).fill(Number.NaN);
      use[c] = this.#recall.of(c);
      portions.push({ id: `class ${c}`, bytes, use });
    }
    return portions;
  }

  /** Those of the classes that the model foretells at all, the best foretold first, as far as the bytes reach. */
  choose(classes: readonly number[], maxBytes: Bytes): readonly number[] {
    const useful = [...new Set(classes)]
      .filter((c) => this.#bytesOf(c) !== undefined && this.#recall.of(c) > 0)
      .sort((a, b) => this.#recall.of(b) - this.#recall.of(a) || a - b);
    let bytes = 0;
    return useful.filter((c) => {
      const more = this.#bytesOf(c) as Bytes;
      if (bytes + more > maxBytes) return false;
      bytes += more;
      return true;
    });
  }

  /** All of them, checked: each class once, nothing behind. */
  read<T>(reader: PortionReader, readOne: (c: number) => T): ReadonlyMap<number, T> {
    const classes = this.#recall.seen.length;
    const count = reader.within(reader.u16(), 1, classes, "number of classes");
    const received = new Map<number, T>();
    for (let i = 0; i < count; i++) {
      const c = reader.within(reader.u16(), 0, classes - 1, "a class");
      if (received.has(c)) throw portionInvalid(`class ${c} is there twice`);
      received.set(c, readOne(c));
    }
    reader.end();
    return received;
  }
}
