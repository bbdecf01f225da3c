/** The latest batches of a site, labelled and judged: what it tells of itself, compares, and tests portions on. */
import type { JudgedBatch } from "../../site-loop.ts";
import type { SeenBatch } from "./acceptance.ts";
import type { NeedOptions } from "./options.ts";

/** Counts by class. Length: the classes. */
export interface ClassTally {
  readonly counts: Uint32Array;
  /** NaN where none was seen. */
  readonly errors: Float32Array;
}

interface Entry {
  readonly rows: Uint32Array;
  readonly counts: Uint32Array;
  /** When it came, and by the present model where it has been judged anew. */
  readonly first: Uint32Array;
  wrong: Uint32Array;
  /** Judged by a model that has been replaced since. */
  outdated: boolean;
}

export class SiteWindow {
  readonly #classes: number;
  readonly #length: number;
  readonly #entries: Entry[] = [];

  /** @param length in batches */
  constructor(classes: number, length: number) {
    this.#classes = classes;
    this.#length = length;
  }

  push({
    rows,
    classCounts,
    classErrors,
  }: Pick<JudgedBatch, "rows" | "classCounts" | "classErrors">): void {
    const wrong = classErrors;
    this.#entries.push({ rows, counts: classCounts, first: wrong, wrong, outdated: false });
    if (this.#entries.length > this.#length) this.#entries.shift();
  }

  /** The latest batches, oldest first, with the errors that were made when they came. */
  seen(latest: number): readonly SeenBatch[] {
    return this.#entries.slice(-latest).map(({ rows, first }) => ({ rows, wrong: first }));
  }

  latest(batches: number): ClassTally {
    return this.#tally(this.#entries.slice(-batches));
  }

  /** All but the latest. */
  before(latest: number): ClassTally {
    return this.#tally(this.#entries.slice(0, Math.max(0, this.#entries.length - latest)));
  }

  /** Of the whole window; errors are those of the present model, where it has been tried on the class. */
  all(): ClassTally {
    const { counts, errors } = this.#tally(this.#entries);
    const present = this.#tally(this.#entries.filter(({ outdated }) => !outdated));
    const newest = errors.map((error, c) => (present.counts[c]! > 0 ? present.errors[c]! : error));
    return { counts, errors: newest };
  }

  /** The model was replaced; `wrong` are its errors by class on each of the latest batches. */
  rejudged(wrong: readonly Uint32Array[]): void {
    const first = this.#entries.length - wrong.length;
    this.#entries.forEach((entry, i) => {
      const anew = wrong[i - first];
      if (anew) entry.wrong = anew;
      entry.outdated = anew === undefined;
    });
  }

  #tally(entries: readonly Entry[]): ClassTally {
    const counts = new Uint32Array(this.#classes);
    const errors = new Float32Array(this.#classes);
    for (const entry of entries)
      for (let c = 0; c < this.#classes; c++) {
        counts[c]! += entry.counts[c]!;
        errors[c]! += entry.wrong[c]!;
      }
    for (let c = 0; c < this.#classes; c++) errors[c] = errors[c]! / counts[c]!;
    return { counts, errors };
  }
}

/**
 * Classes whose error now is above what it was (nothing, where they are new) by `rise` and by more than chance, the worst
 * first.
 */
export function classesInNeed(
  now: ClassTally,
  before: ClassTally,
  { rise, minSamples, deviations }: NeedOptions,
): number[] {
  const excess = (c: number): number => {
    const [n, m] = [now.counts[c]!, before.counts[c]!];
    if (n < minSamples) return 0;
    const was = m > 0 ? before.errors[c]! : 0;
    const both = (n * now.errors[c]! + m * was) / (n + m);
    const chance = Math.sqrt(both * (1 - both) * (1 / n + (m > 0 ? 1 / m : 0)));
    const more = now.errors[c]! - was;
    return more > Math.max(rise, deviations * chance) ? more : 0;
  };
  const weight = (c: number): number => excess(c) * now.counts[c]!;
  return [...now.counts.keys()]
    .filter((c) => excess(c) > 0)
    .sort((a, b) => weight(b) - weight(a) || a - b);
}
