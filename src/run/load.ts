/**
 * From the text of an experiment to resolved, validated runs: the run of the file, and the rows that a
 * comparison makes of it. All issues at once, each with its place.
 */
import { InputError, type InputIssue } from "../core/errors.ts";
import { checkSpec } from "./check.ts";
import { isOnStreams, unusedOnStreams } from "./check-streams.ts";
import { type Finding, findings } from "./file/issues.ts";
import type { Schema } from "./file/schema.ts";
import { type Format, type Path, type Place, readSource, type Source } from "./file/source.ts";
import { knownNetwork } from "./known.ts";
import { type Change, type Merged, merge, originsOf } from "./merge.ts";
import { compareChanges, type Matrix } from "./rowlist.ts";
import { ExperimentFile, RunSpec } from "./spec.ts";

/** A run ready to start, and where each of its values came from (by dotted path). */
export interface ResolvedRun {
  readonly name: string;
  readonly spec: RunSpec;
  readonly origins: Readonly<Record<string, string>>;
  /** An issue that turned up while the run was built or went on, with the place of its path. */
  readonly locate: (issue: InputIssue) => InputIssue;
}

export interface Overrides {
  /** Flags, in the order given. */
  readonly changes?: readonly Change[] | undefined;
  /** Rows made on the fly in place of the file's list. */
  readonly matrix?: Matrix | undefined;
}

export interface Experiment {
  readonly source: Source;
  readonly file: ExperimentFile;
}

/** Reads and validates a file and every row of its comparison. @throws InputError with all issues. */
export function loadExperiment(text: string, fileName: string, format: Format): Experiment {
  return validate(readSource(text, fileName, format));
}

/** As `loadExperiment`, of a source that is read already. */
export function validate(source: Source): Experiment {
  const merged = merge(source, [], ExperimentFile);
  const parsed = ExperimentFile.safeParse(merged.data);
  const gaps = missing(merged.data);
  if (!parsed.success || gaps.length > 0)
    throw new InputError(issuesOf(merged, [...(parsed.error?.issues ?? []), ...gaps]));
  resolveRun(source);
  if (parsed.data.compare.length > 0) resolveEntries(source);
  return { source, file: parsed.data };
}

/** The run that the file itself describes. @throws InputError with all issues. */
export function resolveRun(source: Source, overrides: Overrides = {}): ResolvedRun {
  const merged = merge(source, overrides.changes ?? [], ExperimentFile);
  const parsed = ExperimentFile.safeParse(merged.data);
  const gaps = missing(merged.data);
  if (!parsed.success || gaps.length > 0)
    throw new InputError(issuesOf(merged, [...(parsed.error?.issues ?? []), ...gaps]));
  const { compare: _, ...spec } = parsed.data;
  const issues = objections(merged, spec);
  if (issues.length > 0) throw new InputError(issues);
  return resolved(spec.name, spec, merged);
}

/**
 * The rows of a comparison, `lan` always among them. A flag wins over a row's own setting; a flag that only
 * other kinds know is left out of a row, and refused if no row takes it. @throws InputError
 */
export function resolveEntries(source: Source, overrides: Overrides = {}): readonly ResolvedRun[] {
  const flags = overrides.changes ?? [];
  const rows = compareChanges(source, flags, overrides.matrix);
  const lenient = rows.length > 1;
  const below: readonly Change[] = flags.map((change) => ({ ...change, lenient }));
  const above: readonly Change[] = flags.map((change) => ({ ...change, lenient }));
  const issues: InputIssue[] = [];
  const runs: ResolvedRun[] = [];
  const skips: Path[][] = [];
  for (const row of rows) {
    const merged = merge(source, [...below, row.change, ...above], ExperimentFile);
    const { compare: _, ...data } = merged.data;
    const parsed = RunSpec.safeParse(data);
    const gaps = missing(data);
    const found =
      parsed.success && gaps.length === 0
        ? objections(merged, parsed.data)
        : issuesOf({ ...merged, data }, [...(parsed.error?.issues ?? []), ...gaps], RunSpec);
    for (const issue of found) {
      const seen = issues.some((other) => sameIssue(other, issue));
      if (!seen) issues.push(issue);
    }
    skips.push(merged.skipped.filter((s) => above.includes(s.change)).map((s) => s.path));
    if (parsed.success) runs.push(resolved(row.name, parsed.data, merged));
  }
  issues.push(...unused(skips, flags));
  if (issues.length > 0) throw new InputError(issues);
  return runs;
}

const resolved = (name: string, spec: RunSpec, merged: Merged): ResolvedRun => ({
  name,
  spec,
  origins: originsOf(spec, merged),
  locate: (issue) =>
    issue.file === undefined && issue.path
      ? placed({ at: "value", issue: { ...issue, path: issue.path } }, merged)
      : issue,
});

const sameIssue = (a: InputIssue, b: InputIssue): boolean =>
  a.message === b.message &&
  a.file === b.file &&
  a.line === b.line &&
  JSON.stringify(a.path) === JSON.stringify(b.path);

/** Flags that no row could take. */
function unused(skips: readonly Path[][], flags: readonly Change[]): InputIssue[] {
  const [first = [], ...others] = skips;
  const everywhere = first.filter((path) =>
    others.every((row) => row.some((other) => other.join(".") === path.join("."))),
  );
  return everywhere.map((path) => ({
    code: "UNKNOWN_KEY",
    file: flags.map((flag) => flag.place(path).file).find((file) => file.includes(path.join("."))),
    path,
    message: "no row of the comparison has a kind that knows this key",
    fix: "remove it, or add a row of that kind",
  }));
}

function objections(merged: Merged, spec: RunSpec): InputIssue[] {
  const found = [
    ...checkSpec(spec, knownNetwork(spec.sites)),
    ...unusedOnStreams(spec, merged.data),
  ];
  return found.map((objection) => placed({ at: "value", issue: objection }, merged));
}

/** What the schema leaves to choose and a training run must have. */
function missing(data: Merged["data"]): Parameters<typeof findings>[2] {
  if (isOnStreams(data) || data.optimizer !== undefined) return [];
  const message = "is missing";
  return [{ code: "invalid_type", expected: "object", path: ["optimizer"], message }];
}

function issuesOf(
  merged: Merged,
  issues: Parameters<typeof findings>[2],
  schema: Schema = ExperimentFile,
): InputIssue[] {
  const found = findings(schema, merged.data, issues).map((finding) => placed(finding, merged));
  return found.sort((a, b) => (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0));
}

/** The finding with its file, line and column: of the nearest thing around it that stands somewhere. */
function placed(finding: Finding, merged: Merged): InputIssue {
  let path = finding.issue.path;
  let of: "key" | "value" = finding.at === "value" ? "value" : "key";
  if (finding.at === "parent") path = path.slice(0, -1);
  let place: Place | undefined;
  for (;;) {
    place = merged.place(path, of);
    if (place || path.length === 0) break;
    path = path.slice(0, -1);
    of = "key";
  }
  return { ...finding.issue, ...place };
}
