import type { Lowering } from "./rule.ts";

export const normaliseLowerings = {} satisfies Record<string, Lowering>;
