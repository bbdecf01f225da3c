/**
 * Of each class, how many of its recent examples were foretold: counts, never records. A class's counts are halved when
 * they reach the window, so that they speak of about its last `window` examples, and a class that is away keeps what it
 * had.
 */
import type { PortionReader, PortionWriter } from "./bytes.ts";
import { portionInvalid } from "./bytes.ts";

/** Examples of a class that count as recent. */
export const RECENT = 64;

export class Recall {
  /** Labelled examples of each class. */
  readonly seen: Float32Array;
  /** Those of them that were foretold. */
  readonly right: Float32Array;

  constructor(classes: number) {
    this.seen = new Float32Array(classes);
    this.right = new Float32Array(classes);
  }

  add(label: number, predicted: number): void {
    const { seen, right } = this;
    if ((seen[label] as number) >= RECENT) {
      seen[label]! /= 2;
      right[label]! /= 2;
    }
    seen[label]! += 1;
    if (predicted === label) right[label]! += 1;
  }

  /** NaN where the class was not seen. */
  of(label: number): number {
    return (this.right[label] as number) / (this.seen[label] as number);
  }

  write(writer: PortionWriter): void {
    writer.f32s(this.seen);
    writer.f32s(this.right);
  }

  /** By weights. */
  static mean(all: readonly Recall[], weights: readonly number[]): Recall {
    const mean = new Recall(all[0]?.seen.length ?? 0);
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    for (const [i, { seen, right }] of all.entries()) {
      const part = (weights[i] as number) / total;
      for (let c = 0; c < seen.length; c++) {
        mean.seen[c]! += part * (seen[c] as number);
        mean.right[c]! += part * (right[c] as number);
      }
    }
    return mean;
  }

  static read(reader: PortionReader, classes: number): Recall {
    const recall = new Recall(classes);
    recall.seen.set(reader.f32s(classes, "examples of a class"));
    recall.right.set(reader.f32s(classes, "examples foretold"));
    for (let c = 0; c < classes; c++) {
      const [seen, right] = [recall.seen[c] as number, recall.right[c] as number];
      if (right < 0 || right > seen || seen > RECENT + 1)
        throw portionInvalid(`${right} of ${seen} examples of class ${c} foretold`);
    }
    return recall;
  }
}
