import type { GradientRule } from "./rule.ts";

export const normaliseGradients = {} satisfies Record<string, GradientRule>;
