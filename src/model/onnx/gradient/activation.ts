import type { GradientRule } from "./rule.ts";

export const activationGradients = {} satisfies Record<string, GradientRule>;
