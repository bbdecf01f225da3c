/**
 * What the user writes under `data:`. Paths are looked for under the roots that the run is given. A path with {site} in
 * it is another one for each site: each has its own records (own/).
 */
import { z } from "zod";
import { CsvSchema } from "./csv-schema.ts";
import { SplitSpec } from "./partition.ts";
import { StreamSpec } from "./streams/spec.ts";

const count = z.number().int().positive();
/** By default `place` where a path has {site}; else `user` for ratings, `iid` for all others. */
const split = SplitSpec.optional();
/** Features less their mean, over their deviation (two numbers over all training rows). */
const standardise = z.boolean().default(false);
/** The training rows arrive as streams, and the run is one on streams. */
const stream = StreamSpec.optional();
const testShare = z.number().min(0).lt(1);

const Kinds = z.discriminatedUnion("kind", [
  /** A folder with the four files of MNIST by name, packed with gzip or not. */
  z.strictObject({
    kind: z.literal("idx"),
    path: z.string(),
    /** Folder of the two test files; by default that of all. */
    testPath: z.string().optional(),
    classes: count.default(10),
    /** Only the first so many rows. */
    trainRows: count.optional(),
    testRows: count.optional(),
    /** `generated`: where the files are absent, generated digits take their place, with a note. */
    fallback: z.literal("generated").optional(),
    standardise,
    split,
    stream,
  }),
  /** Generated digits. */
  z.strictObject({
    kind: z.literal("digits"),
    rows: count.default(60_000),
    testRows: count.default(10_000),
    standardise,
    split,
    stream,
  }),
  /** A CSV file of ratings with a header. */
  z.strictObject({
    kind: z.literal("ratings"),
    path: z.string(),
    columns: z
      .strictObject({ user: z.string(), item: z.string(), rating: z.string() })
      .default({ user: "userId", item: "movieId", rating: "rating" }),
    /** Share of each user's ratings that is held out. */
    testShare: testShare.default(0.1),
    split,
  }),
  /** CSV files by a schema; several files are one table, and natural sites. */
  z.strictObject({
    kind: z.literal("csv"),
    path: z.union([z.string(), z.array(z.string()).min(1)]),
    schema: CsvSchema,
    /** Files of test rows. Absent: `testShare` of the rows is held out. */
    testPath: z.union([z.string(), z.array(z.string()).min(1)]).optional(),
    testShare: testShare.default(0.2),
    split,
    stream,
  }),
  /** LIBSVM text, read into dense rows. */
  z.strictObject({
    kind: z.literal("libsvm"),
    path: z.string(),
    /** Absent: `testShare` of the rows is held out. */
    testPath: z.string().optional(),
    features: count,
    target: z.enum(["class", "number"]).default("class"),
    testShare: testShare.default(0.2),
    split,
    stream,
  }),
  /** A text for language models, as windows of tokens that each predict their successors. */
  z.strictObject({
    kind: z.literal("text"),
    path: z.string(),
    /** Tokens that a window reads. */
    length: count.default(64),
    /** Tokens between the starts of training windows; by default the length. */
    stride: count.optional(),
    /** `characters`: those of the training part, and one token for all others. `bytes`: 256 tokens. */
    tokens: z.enum(["characters", "bytes"]).default("characters"),
    /** Share of the text, its end, that is the test. */
    testShare: testShare.default(0.1),
    split,
  }),
]);
type WithSplit<Kind> = Kind extends unknown
  ? Omit<Kind, "split"> & { readonly split: SplitSpec }
  : never;
export type DataSpec = WithSplit<z.infer<typeof Kinds>>;

export const DataSpec = Kinds.transform((spec): DataSpec => {
  const usual: SplitSpec = { by: spec.kind === "ratings" ? "user" : "iid" };
  return { ...spec, split: spec.split ?? (hasPlaces(spec) ? { by: "place" } : usual) };
});

/** Stands for the id of a site. */
export const SITE = "{site}";

/** Whether each site has its own records. */
export const hasPlaces = (spec: Pick<DataSpec, "kind">): boolean =>
  "path" in spec && [spec.path].flat().some((path) => String(path).includes(SITE));
