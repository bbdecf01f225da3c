/** The experiment as TypeScript: the same plain data, checked by the compiler while it is written. */
import type { z } from "zod";
import type { ExperimentFile } from "./spec.ts";

/** Gives the experiment back unchanged; `export default defineRun({ version: 1, … })`. */
export const defineRun = (
  experiment: z.input<typeof ExperimentFile>,
): z.input<typeof ExperimentFile> => experiment;
