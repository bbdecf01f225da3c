import type { ShapeRule } from "./rule.ts";

export const gatherShapes = {} satisfies Record<string, ShapeRule>;
