/** Errors as people read them: code, place, cause, fix, page. No stack without --debug. */
import { InputError, type InputIssue, PangaeaError } from "../core/errors.ts";
import { isFileError } from "./exit.ts";
import type { Io } from "./io.ts";
import { type Paint, paint } from "./terminal/paint.ts";

const PAGE = "docs/errors.md";

/** Prints the error on stderr, and as one JSON object on stdout where JSON was asked for. */
export function printError(
  error: unknown,
  io: Io,
  options: { debug: boolean; json: boolean },
): void {
  io.err(errorText(error, paint(io.color)));
  if (options.debug && error instanceof Error) io.err(`\n${error.stack ?? ""}\n`);
  if (options.json) io.out(`${JSON.stringify({ error: errorData(error) })}\n`);
}

/** The text, ending with a line break. */
export function errorText(error: unknown, color: Paint = paint(false)): string {
  if (error instanceof InputError) {
    const lines = error.issues.flatMap((issue) => issueLines(issue, color));
    const codes = [...new Set(error.issues.map((issue) => issue.code))];
    const count = error.issues.length;
    const head = `${count} ${count === 1 ? "problem" : "problems"}`;
    return `${lines.join("\n")}\n${head}; see ${codes.map(pageOf).join(", ")}\n`;
  }
  if (error instanceof PangaeaError) {
    const fix = error.fix === undefined ? "" : `\n  fix: ${error.fix}`;
    return `${color.bad("error")} ${error.code}: ${error.message}${fix}\n  see ${pageOf(error.code)}\n`;
  }
  if (isFileError(error)) {
    return `${color.bad("error")} FILE_SYSTEM: ${error.message}\n  see ${pageOf("FILE_SYSTEM")}\n`;
  }
  const message = error instanceof Error ? error.message : String(error);
  return `${color.bad("error")} BUG: ${message}
  this is a fault of Pangaea; run again with --debug and report what it prints
  see ${pageOf("BUG")}\n`;
}

const pageOf = (code: string): string => `${PAGE}#${code.toLowerCase()}`;

function issueLines(issue: InputIssue, color: Paint): string[] {
  const place = [issue.file, issue.line, issue.column]
    .filter((part) => part !== undefined)
    .join(":");
  const offset = issue.offset === undefined ? "" : ` (byte ${issue.offset})`;
  const path = issue.path && issue.path.length > 0 ? `${issue.path.join(".")}: ` : "";
  const at = place === "" ? "" : `${color.strong(place)}${offset}\n  `;
  const lines = [`${color.bad("error")} ${issue.code} ${at}${path}${issue.message}`];
  if (issue.fix !== undefined) lines.push(`  fix: ${issue.fix}`);
  return lines;
}

/** The error as data, for --json. */
export function errorData(error: unknown): Record<string, unknown> {
  if (error instanceof InputError) {
    return { code: error.code, message: error.message, issues: error.issues };
  }
  if (error instanceof PangaeaError) {
    return { code: error.code, message: error.message, fix: error.fix };
  }
  const message = error instanceof Error ? error.message : String(error);
  return { code: isFileError(error) ? "FILE_SYSTEM" : "BUG", message };
}
