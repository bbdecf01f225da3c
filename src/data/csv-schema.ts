/** What the columns of a CSV table are. */
import { z } from "zod";

const Role = z.enum(["numeric", "categorical", "label", "site", "ignore"]);

const distinct = (names: readonly string[]): boolean => new Set(names).size === names.length;

export const CsvSchema = z
  .strictObject({
    delimiter: z.string().length(1).default(","),
    /** Names of the columns, for files without a header. */
    names: z.array(z.string()).min(1).optional(),
    /** What each column is. Exactly one label; at most one site. */
    columns: z.record(z.string(), Role),
    /** What columns are that `columns` does not name. */
    others: z.enum(["numeric", "categorical", "ignore"]).default("ignore"),
    label: z
      .discriminatedUnion("as", [
        /** Each distinct value is a class; `classes` lists them, else they are those that occur, sorted. */
        z.strictObject({ as: z.literal("class"), classes: z.array(z.string()).min(2).optional() }),
        /**
         * Classes as groups of values, in the order given, then `rest` for every value that no group names;
         * without `rest` such a value is an error.
         */
        z
          .strictObject({
            as: z.literal("groups"),
            groups: z.record(z.string(), z.array(z.string()).min(1)),
            rest: z.string().optional(),
          })
          .refine(({ groups }) => distinct(Object.values(groups).flat()), {
            message: "a value belongs to one group",
          }),
        /** Class 1 above the threshold, else 0. */
        z.strictObject({ as: z.literal("above"), threshold: z.number() }),
        /** How many of the thresholds, which ascend, the number is above: n thresholds make n + 1 classes. */
        z
          .strictObject({ as: z.literal("levels"), thresholds: z.array(z.number()).min(1) })
          .refine(
            ({ thresholds }) => thresholds.every((t, i) => i === 0 || t > thresholds[i - 1]!),
            {
              message: "thresholds ascend",
            },
          ),
        /** A number to predict. */
        z.strictObject({ as: z.literal("number") }),
      ])
      .default({ as: "class" }),
    /** What stands for a missing value. A row whose label is missing is left out. */
    missing: z.array(z.string()).default(["", "?", "NA"]),
    /** Rows with missing features: left out, or filled with the mean (numbers) or with no category. */
    missingRows: z.enum(["fill", "drop"]).default("fill"),
    /** Numbers to mean 0 and deviation 1 of the training rows. */
    standardise: z.boolean().default(true),
  })
  .superRefine(({ names, columns }, { addIssue }) => {
    for (const name of Object.keys(columns)) {
      if (!names || names.includes(name)) continue;
      const message = `names has no column ${name}`;
      addIssue({ code: "custom", path: ["columns", name], message });
    }
  });
export type CsvSchema = z.infer<typeof CsvSchema>;
