/** All operators whose output shapes are known. A new operator is one entry in its family's file. */
import { activationShapes } from "./activation.ts";
import { constantShapes } from "./constant.ts";
import { elementwiseShapes } from "./elementwise.ts";
import { gatherShapes } from "./gather.ts";
import { matmulShapes } from "./matmul.ts";
import { normaliseShapes } from "./normalise.ts";
import { recurrentShapes } from "./recurrent.ts";
import { reduceShapes } from "./reduce.ts";
import type { ShapeRule } from "./rule.ts";
import { movingShapes } from "./shape.ts";
import { windowShapes } from "./window.ts";

export const SHAPE_RULES: Readonly<Record<string, ShapeRule>> = {
  ...elementwiseShapes,
  ...activationShapes,
  ...matmulShapes,
  ...windowShapes,
  ...normaliseShapes,
  ...recurrentShapes,
  ...reduceShapes,
  ...movingShapes,
  ...gatherShapes,
  ...constantShapes,
};
