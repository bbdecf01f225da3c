/**
 * Options of Cartel. The paper's constants are not public; each default here was chosen by experiment, and the reason
 * stands beside it (docs/systems.md has the figures).
 */
import { z } from "zod";
import { DriftOptions } from "./drift/options.ts";
import { NeighbourOptions } from "./neighbours.ts";
import { RegistryOptions } from "./registry/service.ts";

const count = z.number().int().positive();
const share = z.number().min(0).max(1);

export const NeedOptions = z.strictObject({
  /** A class is in need when its error is above what it was before the change by this. */
  rise: share.default(0.1),
  /** And by so many standard deviations of chance. */
  deviations: z.number().nonnegative().default(2),
  /** Labelled examples of it since: fewer say nothing. */
  minSamples: count.default(3),
});
export type NeedOptions = z.infer<typeof NeedOptions>;

export const TransferOptions = z.strictObject({
  /** A portion is no larger. A network of 32 hidden units on 784 features, whole, has 102 kB. */
  maxBytes: count.default(150_000),
  /** Bytes of portions that a site asks for, and that it sends, in so many batches. */
  budgetBytes: count.default(1_000_000),
  budgetBatches: count.default(100),
  /**
   * Batches after a request for a class in which none for it follows; twice as many after each one in vain (quiet.ts). At
   * the stations of beijing-air, whose streams always change, that makes 384 requests of 573, and 1.2 MB of 1.6.
   */
  quiet: count.default(5),
  /** But no more: six in vain make 320. After twice as many without a request they are forgotten. */
  quietMost: count.default(320),
  /** Batches after a drift in which a site looks for help. */
  patience: count.default(20),
  /** The registry, and then each neighbour, has so long to answer. */
  queryMs: z.number().positive().default(1_000),
  timeoutMs: z.number().positive().default(2_000),
  /** The acceptance test: errors on the own recent labelled window must fall by this at least, in shares of its rows. */
  margin: share.default(0.01),
  /** Batches for which an accepted portion serves beside a shadow without it, to be taken back if it does harm. */
  probation: count.default(5),
  /** Whether a neighbour's portion may be averaged with what the site has of the class, or replaces it. */
  blend: z.boolean().default(true),
  /** Neighbours that a site helps at once; others hear that it is busy. */
  helps: count.default(4),
});
export type TransferOptions = z.infer<typeof TransferOptions>;

export const CartelOptions = z.strictObject({
  kind: z.literal("cartel"),
  detector: DriftOptions.prefault({ kind: "two-window" }),
  registry: RegistryOptions.prefault({ kind: "central" }),
  /** Batches of which a site tells others, and with which it compares the latest. */
  window: count.default(50),
  /** Latest batches: what the site now sees, and on which a portion is tested. */
  now: count.default(5),
  /**
   * Batches between two reports to the registry; drift and adoption are told at once, and the first reports come after
   * 1, 2, 4, … batches. With batches of ten a run of SVMs on digits moved 89 kB with reports every 25 batches and 62 kB with
   * reports every 100, and erred as much after the shift (9.7 %). A registry that lost its memory knows everybody again after as long.
   */
  reportEvery: count.default(100),
  /** Random directions of the features of which a site tells (sketch.ts); 0: none. */
  sketch: z.number().int().min(0).max(256).default(0),
  need: NeedOptions.prefault({}),
  neighbours: NeighbourOptions.prefault({}),
  transfer: TransferOptions.prefault({}),
});
export type CartelOptions = z.infer<typeof CartelOptions>;
