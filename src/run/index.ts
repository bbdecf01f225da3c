/** What `pangaea/run` offers to the outside: from an experiment to runs, events, views and reports. */
export { type ComparedRun, executeCompare } from "./compare.ts";
export { conclusion, placeText } from "./conclusion.ts";
export { defineRun } from "./define.ts";
export { executeRun, newShared, type Shared } from "./execute.ts";
export { type Format, moduleSource, readSource, type Source } from "./file/source.ts";
export { modelFiles, type OutFile, type SpecFile, specFile } from "./files.ts";
export type { RunHost, RunOutcome } from "./host.ts";
export {
  type Experiment,
  loadExperiment,
  type Overrides,
  type ResolvedRun,
  resolveEntries,
  resolveRun,
} from "./load.ts";
export { type Change, parseSetting } from "./merge.ts";
export { type Grid, GridFile, gridOf, uniformGrid } from "./presets/grid.ts";
export { PRESETS } from "./presets/presets.ts";
export { type Report, type ReportRun, reportPage } from "./report/page.ts";
export type { Matrix } from "./rowlist.ts";
export { type CompareRow, compareRow, mergeSeeds, targetOf } from "./rows.ts";
export {
  ClusterWorldSpec,
  CompareEntry,
  ExperimentFile,
  LocalWorldSpec,
  PolicySpec,
  RunSpec,
  SITE_PRESETS,
  SitesSpec,
  StopSpec,
} from "./spec.ts";
export * from "./view.ts";
