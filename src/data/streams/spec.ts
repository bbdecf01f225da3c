/**
 * What the user writes under `data.stream`: how batches arrive at the sites, of which classes, and what changes.
 * Either classes are mixed (any labelled data), or the data come in the order that they have (`natural`).
 */
import { z } from "zod";

const count = z.number().int().positive();
const index = z.number().int().nonnegative();

/** So many sites, drawn from the seed; or these, by number from 0. */
const Sites = z.union([count, z.array(index).min(1)]);

/** Base mixture of a site, before the workload changes it. */
export const MixtureSpec = z.discriminatedUnion("kind", [
  /** Every site has the classes as often as the data have them. */
  z.strictObject({ kind: z.literal("iid") }),
  /**
   * Each site knows `count` classes only, as often relative to each other as the data have them: neighbours on a ring of
   * the classes (in an order drawn from the seed), so that sites overlap and every class lies somewhere if sites reach.
   */
  z.strictObject({ kind: z.literal("classes"), count }),
  /** Mixtures from Dirichlet(alpha * classes * shares in the data) (Hsu, Qi and Brown, 2019): small is skewed. */
  z.strictObject({ kind: z.literal("dirichlet"), alpha: z.number().positive() }),
]);
export type MixtureSpec = z.infer<typeof MixtureSpec>;

/** A class that one or several sites know from the start (donors) and that comes to others (targets). */
const comes = {
  /** Number or name of the class; else drawn from the seed among those that are not rare. */
  class: z.union([index, z.string()]).optional(),
  /** Its share where it is present, donors included. */
  share: z.number().gt(0).lt(1).default(0.3),
  /** First batch with it. */
  at: index.default(100),
  targets: Sites.default(1),
  /** By default the sites whose mixture is nearest to the first target's. */
  donors: Sites.default(1),
};

export const WorkloadSpec = z.discriminatedUnion("kind", [
  /** Nothing changes. */
  z.strictObject({ kind: z.literal("stationary") }),
  /** The class is absent everywhere but at the donors, then switched on at the targets, and stays. */
  z.strictObject({ kind: z.literal("introduction"), ...comes }),
  /** As introduction, but on for `period` batches, then off for as many, and so on. */
  z.strictObject({ kind: z.literal("fluctuation"), ...comes, period: count.default(50) }),
  /** As introduction, but the share grows evenly from 0 over `span` batches. */
  z.strictObject({ kind: z.literal("gradual"), ...comes, span: count.default(100) }),
  /** Two sites exchange their mixtures; by default one drawn from the seed and the one least like it. */
  z.strictObject({
    kind: z.literal("swap"),
    at: index.default(100),
    between: z.tuple([index, index]).optional(),
  }),
  /**
   * The order of the data themselves, each row once. `interleaved`: row r arrives at site r modulo the sites: all see the
   * same change at the same time. `contiguous`: each site has its own stretch of time. `sites`: the natural sites of the
   * data (a column, or files), one each.
   */
  z.strictObject({
    kind: z.literal("natural"),
    deal: z.enum(["interleaved", "contiguous", "sites"]).default("interleaved"),
    /** Changes known of the data: the first changed row (from 0, of the rows that train), and what it is. */
    changes: z.array(z.strictObject({ row: index, what: z.string().min(1) })).default([]),
  }),
]);
export type WorkloadSpec = z.infer<typeof WorkloadSpec>;

export const StreamSpec = z
  .strictObject({
    /** Examples of a batch. */
    batch: count.default(50),
    /** Batches of each site's stream. By default 300; of natural streams, as many as the data give. */
    batches: count.optional(),
    /** Batches a second, at every site. */
    rate: z.number().positive().max(1e6).default(1),
    mixture: MixtureSpec.optional(),
    workload: WorkloadSpec.default({ kind: "stationary" }),
  })
  .superRefine(({ mixture, workload }, { addIssue }) => {
    if (workload.kind === "natural" && mixture)
      addIssue({
        code: "custom",
        path: ["mixture"],
        message: "a natural stream has the classes that the data bring: no mixture",
      });
    if (workload.kind === "swap" && (mixture?.kind ?? "iid") === "iid")
      addIssue({
        code: "custom",
        path: ["mixture"],
        message: "sites with equal mixtures have nothing to swap: use classes or dirichlet",
      });
  });
export type StreamSpec = z.infer<typeof StreamSpec>;
