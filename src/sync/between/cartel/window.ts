/** The latest batches of a site, labelled and judged: what it tells of itself, compares, and tests portions on. */
import type { JudgedBatch } from "../../site-loop.ts";

/** Counts by class. Length: the classes. */
export interface ClassTally {
  readonly counts: Uint32Array;
  /** NaN where none was seen. */
  readonly errors: Float32Array;
}

interface Entry {
  readonly rows: Uint32Array;
  readonly counts: Uint32Array;
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
    this.#entries.push({ rows, counts: classCounts, wrong: classErrors, outdated: false });
    if (this.#entries.length > this.#length) this.#entries.shift();
  }

  /** Rows of the latest batches, oldest first. */
  rows(latest: number): readonly Uint32Array[] {
    return this.#entries.slice(-latest).map(({ rows }) => rows);
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

/** Classes whose error now is above what it was (nothing, where they are new) by `rise`, the worst first. */
export function classesInNeed(
  now: ClassTally,
  before: ClassTally,
  { rise, minSamples }: { readonly rise: number; readonly minSamples: number },
): number[] {
  const excess = (c: number): number => {
    if (now.counts[c]! < minSamples) return 0;
    return now.errors[c]! - (before.counts[c]! > 0 ? before.errors[c]! : 0);
  };
  const weight = (c: number): number => excess(c) * now.counts[c]!;
  return [...now.counts.keys()]
    .filter((c) => excess(c) > rise)
    .sort((a, b) => weight(b) - weight(a) || a - b);
}
