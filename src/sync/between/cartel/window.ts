/** The latest batches of a site, labelled and judged: what it tells of itself, compares, and tests portions on. */
import type { JudgedBatch } from "../../site-loop.ts";
import type { SeenBatch } from "./acceptance.ts";
import type { NeedOptions } from "./options.ts";
import { overallError } from "./registry/record.ts";

/** Counts by class. Length: the classes. */
export interface ClassTally {
  readonly counts: Uint32Array;
  /** NaN where none was seen. */
  readonly errors: Float32Array;
}

interface Entry {
  readonly rows: Uint32Array;
  readonly counts: Uint32Array;
  /** When it came, or by the model that replaced another. */
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

  /** The latest batches, oldest first, with the errors made when they came, or when the model was replaced since. */
  seen(latest: number): readonly SeenBatch[] {
    return this.#entries.slice(-latest).map(({ rows, wrong }) => ({ rows, wrong }));
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

  /** The model was replaced: these batches have been judged by the present one, the others by one that is gone. */
  rejudged(batches: readonly SeenBatch[]): void {
    const wrongOf = new Map(batches.map(({ rows, wrong }) => [rows, wrong]));
    for (const entry of this.#entries) {
      const anew = wrongOf.get(entry.rows);
      if (anew) entry.wrong = anew;
      entry.outdated = anew === undefined;
    }
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
 * Classes whose error now is above what it was by `rise` and by more than chance, the worst first. Of a new class it is
 * measured by the error on all others: it is to be known as well as they were.
 */
export function classesInNeed(
  now: ClassTally,
  before: ClassTally,
  { rise, minSamples, deviations }: NeedOptions,
): number[] {
  const usual = overallError(before.counts, before.errors);
  const excess = (c: number): number => {
    const [n, m] = [now.counts[c]!, before.counts[c]!];
    if (n < minSamples) return 0;
    const was = m > 0 ? before.errors[c]! : usual;
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
