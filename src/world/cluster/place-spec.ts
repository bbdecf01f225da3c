/** How a run file says by what its agents are started. */
import { z } from "zod";

const Placed = {
  /** What each agent may use. */
  cores: z.number().positive().default(1),
  memoryBytes: z.number().positive().default(1e9),
  /** What a site's machine must be, by site: { oregon: { zone: "a" } }. */
  machines: z.record(z.string(), z.record(z.string(), z.string())).default({}),
  /** Further words for `pangaea node` there: ["--data", "/data", "--keys", "/keys"]. */
  args: z.array(z.string()).default([]),
};

/** By what the agents of a run are started; absent: they are there. */
export const PlaceSpec = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("processes"), ...Placed }),
  z.strictObject({
    kind: z.literal("slurm"),
    ...Placed,
    /** On every node: where agents run. */
    folder: z.string().default("/tmp"),
    partition: z.string().optional(),
    account: z.string().optional(),
    qos: z.string().optional(),
    /** Of slurmrestd, whose token is in SLURM_JWT; without it, `srun`. */
    address: z.string().optional(),
    timeLimitMinutes: z.number().positive().optional(),
  }),
  z.strictObject({
    kind: z.literal("kubernetes"),
    ...Placed,
    /** Of the pods; its program is `pangaea`. Must be given, here or by `--image`. */
    image: z.string().optional(),
    /** The headless Service by whose names the pods reach each other. */
    service: z.string().default("pangaea-nodes"),
    serviceAccount: z.string().optional(),
    imagePullSecrets: z.array(z.string()).optional(),
    /** What agents read there: keys, certificates, data. */
    mounts: z
      .array(
        z.strictObject({
          kind: z.enum(["secret", "configMap", "claim"]),
          name: z.string(),
          path: z.string(),
        }),
      )
      .default([]),
  }),
  z.strictObject({
    kind: z.literal("ray"),
    ...Placed,
    /** Of the dashboard, which serves the Jobs API. */
    address: z.string().default("http://127.0.0.1:8265"),
    labelsAre: z.enum(["labels", "resources"]).optional(),
  }),
]);
export type PlaceSpec = z.infer<typeof PlaceSpec>;
