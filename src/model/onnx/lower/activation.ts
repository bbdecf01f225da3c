import type { Lowering } from "./rule.ts";

export const activationLowerings = {} satisfies Record<string, Lowering>;
