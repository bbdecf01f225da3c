/**
 * Three failures, three shapes. A programmer's error is an `invariant` that stops loudly. An operating
 * error is a `PangaeaError` with a stable `code`. Bad input is an `InputError` that carries every
 * issue found, each with its place and the nearest right value.
 */

export interface ErrorDetails {
  /** What to do about it, as one sentence or a command. */
  readonly fix?: string | undefined;
  readonly cause?: unknown;
}

/** An operating error: `code` is stable and has a section in docs/errors.md. */
export class PangaeaError extends Error {
  override readonly name: string = "PangaeaError";
  readonly code: string;
  readonly fix: string | undefined;

  constructor(code: string, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.fix = details.fix;
  }
}

/** One thing wrong with what the user gave. Lines and columns count from 1; offsets are bytes from 0. */
export interface InputIssue {
  readonly code: string;
  readonly message: string;
  /** Where in the data: ["between", "significance"]. */
  readonly path?: readonly (string | number)[] | undefined;
  readonly file?: string | undefined;
  readonly line?: number | undefined;
  readonly column?: number | undefined;
  readonly offset?: number | undefined;
  /** The nearest right value, or the command that helps. */
  readonly fix?: string | undefined;
}

/** Bad input: all issues at once. */
export class InputError extends PangaeaError {
  override readonly name: string = "InputError";
  readonly issues: readonly InputIssue[];

  constructor(issues: readonly InputIssue[]) {
    super(issues[0]?.code ?? "BAD_INPUT", issues.map(describeIssue).join("\n"), {
      fix: issues[0]?.fix,
    });
    this.issues = issues;
  }
}

/** `file:line:column: message (fix)`, as compilers print it. */
export function describeIssue(issue: InputIssue): string {
  const place = [
    issue.file,
    issue.line,
    issue.column,
    issue.offset === undefined ? undefined : `byte ${issue.offset}`,
  ].filter((part) => part !== undefined);
  const at = place.length > 0 ? `${place.join(":")}: ` : "";
  const path = issue.path && issue.path.length > 0 ? `${issue.path.join(".")}: ` : "";
  return `${at}${path}${issue.message}${issue.fix ? ` (${issue.fix})` : ""}`;
}

/** A wait that ran past its deadline; says for whom. */
export class TimeoutError extends PangaeaError {
  override readonly name: string = "TimeoutError";
  constructor(message: string, details: ErrorDetails = {}) {
    super("TIMEOUT", message, details);
  }
}

/** What a wait rejects with when its scope is cancelled. */
export class CancelledError extends PangaeaError {
  override readonly name: string = "CancelledError";
  constructor(reason: string) {
    super("CANCELLED", reason);
  }
}

/** A programmer's assumption. Failing is a bug of ours: it stops loudly. */
export function invariant(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(`invariant broken: ${message}`);
}
