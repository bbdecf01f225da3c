/** The rules that end a run: a target metric, the model's change, clocks, the world's seconds. */
import type { Metrics } from "../core/events.ts";
import type { Kernels } from "../core/kernels/contract.ts";
import type { Sighting } from "./observer.ts";
import type { StopSpec } from "./spec.ts";

/** Whether the metrics meet the target; false where none is set. */
export function meetsTarget(stop: StopSpec, metrics: Metrics): boolean {
  if (stop.accuracy !== undefined && metrics.accuracy !== undefined) {
    return metrics.accuracy >= stop.accuracy;
  }
  if (stop.rmse !== undefined && metrics.rmse !== undefined) return metrics.rmse <= stop.rmse;
  return stop.loss !== undefined && metrics.loss <= stop.loss;
}

/**
 * The relative change of the copies over a window of clocks: |now - then| / |then| over all copies. Undefined
 * until a whole window has passed.
 */
export class ChangeWindow {
  readonly #window: number;
  readonly #kernels: Kernels;
  #kept: { readonly clock: number; readonly copies: readonly Float32Array[] }[] = [];

  constructor(window: number, kernels: Kernels) {
    this.#window = window;
    this.#kernels = kernels;
  }

  measure({ clock, snapshots }: Sighting): number | undefined {
    const copies = snapshots.map(({ parameters }) => Float32Array.from(parameters));
    this.#kept.push({ clock, copies });
    while (this.#kept[1] && clock - this.#kept[1].clock >= this.#window) this.#kept.shift();
    const then = this.#kept[0];
    if (!then || clock - then.clock < this.#window) return undefined;
    let distance = 0;
    let norm = 0;
    for (const [i, copy] of copies.entries()) {
      const before = then.copies[i] as Float32Array;
      distance += this.#kernels.squaredDistance(copy, before);
      norm += this.#kernels.sumOfSquares(before);
    }
    return norm === 0 ? undefined : Math.sqrt(distance / norm);
  }
}
