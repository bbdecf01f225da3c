/** All operators that are computed where their inputs are constants. A new one is one entry in its family's file. */
import { arithmeticFolds } from "./arithmetic.ts";
import { castFolds } from "./cast.ts";
import { constantFolds } from "./constant.ts";
import { gatherFolds } from "./gather.ts";
import { logicFolds } from "./logic.ts";
import { movingFolds } from "./moving.ts";
import { reduceFolds } from "./reduce.ts";
import type { Fold } from "./rule.ts";

export const FOLDS: Readonly<Record<string, Fold>> = {
  ...constantFolds,
  ...movingFolds,
  ...gatherFolds,
  ...arithmeticFolds,
  ...logicFolds,
  ...castFolds,
  ...reduceFolds,
};
