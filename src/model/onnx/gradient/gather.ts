import type { GradientRule } from "./rule.ts";

export const gatherGradients = {} satisfies Record<string, GradientRule>;
