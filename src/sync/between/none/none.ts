/** Isolated learning: every site trains on its own data, and nothing crosses a border. A baseline. */
import { z } from "zod";
import type { Between } from "../../contract.ts";
import { domainPerSite } from "../../domains.ts";
import { isolatedStreams } from "./stream.ts";

export const NoneOptions = z.strictObject({ kind: z.literal("none") });
export type NoneOptions = z.infer<typeof NoneOptions>;

export const none = (_options: NoneOptions): Between => ({
  deploy: ({ sites, training }) => ({
    domains: domainPerSite(sites, training.learner.layout.length, "own"),
    extra: [],
    judged: "domains",
  }),
  stream: isolatedStreams,
});
