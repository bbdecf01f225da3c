import { z } from "zod";

export const StretchedOptions = z.strictObject({ kind: z.literal("stretched") });
