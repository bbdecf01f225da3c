/** Data sets and splits as an experiment file names them. */
import { z } from "zod";

const count = z.number().int().positive();

/** How the rows are dealt to the sites and workers. */
export const SplitSpec = z.discriminatedUnion("by", [
  z.strictObject({ by: z.literal("iid") }),
  /** skew 0: iid; 1: sorted by label and dealt contiguously; between: that share is sorted. */
  z.strictObject({ by: z.literal("label"), skew: z.number().min(0).max(1) }),
  z.strictObject({ by: z.literal("dirichlet"), alpha: z.number().positive() }),
  z.strictObject({ by: z.literal("range") }),
  /** A column of the data names the site. */
  z.strictObject({ by: z.literal("column"), column: z.string() }),
  /** Ratings: all of a user's ratings lie at one worker. */
  z.strictObject({ by: z.literal("user") }),
]);
export type SplitSpec = z.infer<typeof SplitSpec>;

const split = SplitSpec.default({ by: "iid" });

export const DataSpec = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("idx"),
    /** Folder with MNIST's four file names, gzipped or not. */
    path: z.string(),
    trainRows: count.optional(),
    testRows: count.optional(),
    /** `generated`: use generated digits, and say so, when the files are absent. */
    fallback: z.enum(["generated"]).optional(),
    split,
  }),
  /** Digits drawn by our own code. */
  z.strictObject({
    kind: z.literal("digits"),
    rows: count.default(60_000),
    testRows: count.default(10_000),
    split,
  }),
  z.strictObject({
    kind: z.literal("ratings"),
    path: z.string(),
    /** Share of each user's ratings held out. */
    testShare: z.number().gt(0).lt(1).default(0.1),
    split: SplitSpec.default({ by: "user" }),
  }),
  z.strictObject({
    kind: z.literal("libsvm"),
    path: z.string(),
    testPath: z.string().optional(),
    features: count,
    testShare: z.number().gt(0).lt(1).default(0.1),
    split,
  }),
  z.strictObject({
    kind: z.literal("csv"),
    paths: z.array(z.string()).min(1),
    /** Column name to role; columns not named are ignored. */
    columns: z.record(z.string(), z.enum(["numeric", "categorical", "label", "target", "site"])),
    /** Column names where the file has no header row. */
    header: z.array(z.string()).optional(),
    missing: z.array(z.string()).default(["", "NA", "?"]),
    standardise: z.boolean().default(true),
    testShare: z.number().gt(0).lt(1).default(0.1),
    split,
  }),
]);
export type DataSpec = z.infer<typeof DataSpec>;
