/** All operators that are computed where their inputs are constants. A new one is one entry in its family's file. */
import type { Fold } from "./rule.ts";

export const FOLDS: Readonly<Record<string, Fold>> = {};
