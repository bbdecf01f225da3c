/** All operators with a gradient. A new operator is one entry in its family's file. */
import { activationGradients } from "./activation.ts";
import { convGradients } from "./conv.ts";
import { elementwiseGradients } from "./elementwise.ts";
import { gatherGradients } from "./gather.ts";
import { matmulGradients } from "./matmul.ts";
import { normaliseGradients } from "./normalise.ts";
import { poolGradients } from "./pool.ts";
import { reduceGradients } from "./reduce.ts";
import type { GradientRule } from "./rule.ts";
import { movingGradients } from "./shape.ts";
import { softmaxGradients } from "./softmax.ts";

export const GRADIENT_RULES: Readonly<Record<string, GradientRule>> = {
  ...elementwiseGradients,
  ...activationGradients,
  ...matmulGradients,
  ...convGradients,
  ...poolGradients,
  ...normaliseGradients,
  ...reduceGradients,
  ...movingGradients,
  ...gatherGradients,
  ...softmaxGradients,
};
