/**
 * Rows of each class, drawn without replacement over all sites together: a row is at one site only, and there once, as
 * long as the data reach. Then the class is shuffled anew and its rows come again (`repeats` counts them).
 */
import type { Random } from "../../core/random.ts";
import type { SiteStream } from "./contract.ts";

export class Supply {
  readonly #classes: readonly { readonly rows: Uint32Array; readonly random: Random }[];
  readonly #drawn: Uint32Array;

  /** @param labels class of each row, below `classes` */
  constructor(labels: ArrayLike<number>, classes: number, random: Random) {
    const rows = Array.from({ length: classes }, (): number[] => []);
    for (let row = 0; row < labels.length; row++) rows[labels[row]!]!.push(row);
    this.#classes = rows.map((list, c) => ({
      rows: Uint32Array.from(list),
      random: random.stream(`class ${c}`),
    }));
    this.#drawn = new Uint32Array(classes);
  }

  /** Rows that the class has. */
  size(c: number): number {
    return this.#classes[c]!.rows.length;
  }

  /** The next row of a class, which has one at least. */
  next(c: number): number {
    const { rows, random } = this.#classes[c]!;
    const at = this.#drawn[c]! % rows.length;
    if (at === 0) random.shuffle(rows);
    this.#drawn[c]!++;
    return rows[at]!;
  }
}

/** How many rows of a stream had already come to that site before: where the data did not reach. */
export const repeats = ({ rows }: SiteStream): number => rows.length - new Set(rows).size;
