/** Images and labels of which each site has its own. */
import { invariant } from "../../core/errors.ts";
import type { DataHost } from "../files.ts";
import { readIdxFolder } from "../idx-folder.ts";
import { mergeMoments } from "../moments.ts";
import type { DataSpec } from "../spec.ts";
import { momentsOfFeatures, standardised } from "../standard.ts";
import type { About, Held } from "./contract.ts";

type Spec = Extract<DataSpec, { readonly kind: "idx" }>;
type AboutIdx = Extract<About, { readonly kind: "idx" }>;

export async function holdIdx(
  { classes, standardise, trainRows, testRows }: Spec,
  folder: string,
  part: "train" | "test",
  host: DataHost,
): Promise<Held> {
  const options = { classes, rows: part === "train" ? trainRows : testRows };
  const { dataset } = await readIdxFolder(folder, part, host, options);
  const moments = standardise ? momentsOfFeatures(dataset) : undefined;
  return {
    rows: dataset.rows,
    about: { kind: "idx", shape: dataset.shape, ...(moments && { moments }) },
    finish: (about) => {
      invariant(about.kind === "idx", "all sites have data of one kind");
      return about.moments ? standardised(dataset, about.moments) : dataset;
    },
  };
}

export const mergeIdx = (a: AboutIdx, b: AboutIdx): AboutIdx =>
  a.moments && b.moments ? { ...a, moments: mergeMoments(a.moments, b.moments) } : a;
