/** All operators that are written out as simpler ones. A new one is one entry in its family's file. */
import { activationLowerings } from "./activation.ts";
import { attentionLowerings } from "./attention.ts";
import { castLowerings } from "./cast.ts";
import { dropoutLowerings } from "./dropout.ts";
import { lossLowerings } from "./loss.ts";
import { normaliseLowerings } from "./normalise.ts";
import { recurrentLowerings } from "./recurrent.ts";
import type { Lowering } from "./rule.ts";

export const LOWERINGS: Readonly<Record<string, Lowering>> = {
  ...activationLowerings,
  ...attentionLowerings,
  ...castLowerings,
  ...dropoutLowerings,
  ...lossLowerings,
  ...normaliseLowerings,
  ...recurrentLowerings,
};
