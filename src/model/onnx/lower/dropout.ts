import type { Lowering } from "./rule.ts";

export const dropoutLowerings = {} satisfies Record<string, Lowering>;
