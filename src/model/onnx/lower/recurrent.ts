import type { Lowering } from "./rule.ts";

export const recurrentLowerings = {} satisfies Record<string, Lowering>;
