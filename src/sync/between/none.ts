import { z } from "zod";

export const NoneOptions = z.strictObject({ kind: z.literal("none") });
