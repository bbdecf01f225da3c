/** Features less their mean, over their deviation: two numbers of all training rows. */
import type { DenseDataset } from "../core/dataset.ts";
import { type Moments, meanAndVariance, momentsOf, momentsOfBytes } from "./moments.ts";

/** Of the features as they are stored, before scale and offset. */
export const momentsOfFeatures = ({ features }: DenseDataset): Moments =>
  features instanceof Uint8Array ? momentsOfBytes(features) : momentsOf(features);

/** The data set with features that have mean 0 and deviation 1 where the moments are theirs. */
export function standardised(set: DenseDataset, moments: Moments): DenseDataset {
  const { mean, variance } = meanAndVariance(moments);
  const deviation = Math.sqrt(variance) || 1;
  return { ...set, scale: 1 / deviation, offset: -mean / deviation };
}
