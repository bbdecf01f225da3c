import type { ShapeRule } from "./rule.ts";

export const activationShapes = {} satisfies Record<string, ShapeRule>;
