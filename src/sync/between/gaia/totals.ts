/**
 * The sums of everything that came from each group to one shard (its own included). With them a site that has to find
 * another way to a group says what it has, and is sent what it lacks: nothing is lost with a hub, nothing comes twice.
 */

import type { Update } from "../../../codec/update.ts";
import type { Kernels } from "../../../core/kernels/contract.ts";

export class Totals {
  readonly #kernels: Kernels;
  readonly #sums: readonly Float32Array[];

  /** With a single group nobody needs them. */
  constructor(groups: number, length: number, kernels: Kernels) {
    this.#kernels = kernels;
    const kept = groups > 1 ? groups : 0;
    this.#sums = Array.from({ length: kept }, () => kernels.allocate(length));
  }

  add(group: number, update: Update): void {
    const sum = this.#sums[group];
    if (sum) addTo(sum, update, this.#kernels);
  }

  /** Takes back what was added but never came into force. */
  remove(group: number, update: Update): void {
    const sum = this.#sums[group];
    if (!sum) return;
    const negative = update.values.map((value) => -value);
    addTo(sum, { ...update, values: negative }, this.#kernels);
  }

  /** What the holder of `theirs` lacks of a group. */
  lacking(group: number, theirs: Float32Array): Float32Array {
    const sum = this.#sums[group];
    return sum ? sum.map((value, i) => value - (theirs[i] as number)) : new Float32Array(0);
  }

  snapshot(group: number): Float32Array {
    return this.#sums[group]?.slice() ?? new Float32Array(0);
  }

  all(): Float32Array[] {
    return this.#sums.map((sum) => sum.slice());
  }

  replace(sums: readonly Float32Array[]): void {
    this.#sums.forEach((sum, group) => {
      this.#kernels.copy(sum, sums[group] as Float32Array);
    });
  }
}

export function addTo(values: Float32Array, update: Update, kernels: Kernels): void {
  if (update.format === "dense") kernels.add(values, update.values);
  else kernels.scatterAdd(values, update.indices, update.values);
}
