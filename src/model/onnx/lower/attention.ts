import type { Lowering } from "./rule.ts";

export const attentionLowerings = {} satisfies Record<string, Lowering>;
