/**
 * How much several models that vote together have to say about each class: by their recent recall on it. A class's score
 * is the mean of the models' shares for it with these weights, so that one who does not know a class leaves it to those
 * who do.
 */
import type { Recall } from "./recall.ts";

/** Weights into `into`, recalls.length x classes; those of a class add up to 1. */
export function weigh(recalls: readonly Recall[], classes: number, into: Float64Array): void {
  for (let c = 0; c < classes; c++) {
    let sum = 0;
    for (let t = 0; t < recalls.length; t++) {
      const { right, seen } = recalls[t] as Recall;
      const say = ((right[c] as number) + 0.01) / ((seen[c] as number) + 1);
      into[t * classes + c] = say;
      sum += say;
    }
    for (let t = 0; t < recalls.length; t++) into[t * classes + c]! /= sum;
  }
}
