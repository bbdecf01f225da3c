/** Detectors by name, with their options. */
import { z } from "zod";
import { Adwin, AdwinOptions } from "./adwin.ts";
import type { DriftDetector } from "./contract.ts";
import { Ddm, DdmOptions } from "./ddm.ts";
import { PageHinkley, PageHinkleyOptions } from "./page-hinkley.ts";
import { TwoWindow, TwoWindowOptions } from "./two-window.ts";

export const DriftOptions = z.discriminatedUnion("kind", [
  TwoWindowOptions,
  AdwinOptions,
  DdmOptions,
  PageHinkleyOptions,
]);
export type DriftOptions = z.infer<typeof DriftOptions>;

/** @param classes length of the class counts that it will observe */
export function createDetector(options: DriftOptions, classes: number): DriftDetector {
  switch (options.kind) {
    case "two-window":
      return new TwoWindow(options, classes);
    case "adwin":
      return new Adwin(options);
    case "ddm":
      return new Ddm(options);
    case "page-hinkley":
      return new PageHinkley(options);
    default:
      return options satisfies never;
  }
}
