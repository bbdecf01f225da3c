/**
 * One parameter server over all sites: a single copy whose shards are spread over every server, each worker
 * pushing to and pulling from all of them. What people do today, and the baseline that Gaia was measured
 * against (Hsieh et al., NSDI'17, section 2).
 */
import { z } from "zod";
import type { Between } from "../contract.ts";
import { stretchedDomain } from "../domains.ts";

export const StretchedOptions = z.strictObject({ kind: z.literal("stretched") });
export type StretchedOptions = z.infer<typeof StretchedOptions>;

export const stretched = (_options: StretchedOptions): Between => ({
  deploy: ({ sites, training }) => ({
    domains: [stretchedDomain(sites, training.learner.layout.length)],
    extra: [],
    judged: "domains",
  }),
});
