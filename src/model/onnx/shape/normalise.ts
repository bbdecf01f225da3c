import type { ShapeRule } from "./rule.ts";

export const normaliseShapes = {} satisfies Record<string, ShapeRule>;
