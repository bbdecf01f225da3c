/** Exit codes; each has a section in docs/errors.md. */
import { InputError, PangaeaError } from "../core/errors.ts";

export const EXIT = {
  done: 0,
  bug: 1,
  badInput: 2,
  missingData: 3,
  files: 4,
  runFailed: 5,
  interrupted: 130,
} as const;

/** Codes of bad input that say: what you named is not here. */
const MISSING: ReadonlySet<string> = new Set([
  "MISSING_DATA",
  "MISSING_FILE",
  "MISSING_GRID",
  "MISSING_MODEL",
  "MISSING_RUN",
  "DOWNLOAD_FAILED",
  "FETCH_BY_HAND",
]);

/** Codes of bad input that are not tied to a place in a file. */
const BAD: ReadonlySet<string> = new Set([
  "UNKNOWN_DATA",
  "EXPORT_EXISTS",
  "EXPORT_NO_GRAPH",
  "KEYS_EXIST",
]);

export function exitCodeOf(error: unknown): number {
  if (error instanceof PangaeaError && MISSING.has(error.code)) return EXIT.missingData;
  if (error instanceof InputError || (error instanceof PangaeaError && BAD.has(error.code)))
    return EXIT.badInput;
  if (error instanceof PangaeaError) return EXIT.runFailed;
  if (isFileError(error)) return EXIT.files;
  return EXIT.bug;
}

/** Errors of the operating system carry the call that failed. */
export const isFileError = (error: unknown): error is NodeJS.ErrnoException =>
  error instanceof Error && "syscall" in error && "code" in error;
