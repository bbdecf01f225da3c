/** All operators with a gradient. A new operator is one entry in its family's file. */
import { convGradients } from "./conv.ts";
import { elementwiseGradients } from "./elementwise.ts";
import { lossGradients } from "./loss.ts";
import { matmulGradients } from "./matmul.ts";
import { poolGradients } from "./pool.ts";
import { reduceGradients } from "./reduce.ts";
import type { GradientRule } from "./rule.ts";
import { movingGradients } from "./shape.ts";

export const GRADIENT_RULES: Readonly<Record<string, GradientRule>> = {
  ...elementwiseGradients,
  ...matmulGradients,
  ...convGradients,
  ...poolGradients,
  ...reduceGradients,
  ...movingGradients,
  ...lossGradients,
};
