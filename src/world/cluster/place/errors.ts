/** What goes wrong with schedulers, and which of it passes. */
import { InputError, type InputIssue, PangaeaError } from "../../../core/errors.ts";

const PASSING: ReadonlySet<string> = new Set(["SCHEDULER_UNREACHABLE", "SCHEDULER_BUSY"]);

/** Whether the same request may succeed later. */
export const isPassing = (error: unknown): boolean =>
  error instanceof PangaeaError && PASSING.has(error.code);

export const unreachable = (who: string, cause: Error): PangaeaError =>
  new PangaeaError("SCHEDULER_UNREACHABLE", `${who} cannot be reached: ${cause.message}`, {
    fix: "see that its address is right and that it runs",
    cause,
  });

/** The error of an answer that is no success. @param said what the answer says */
export function refusal(who: string, status: number, said: string): PangaeaError {
  const message = `${who} answered ${status}${said === "" ? "" : `: ${said}`}`;
  if (status === 401) {
    const fix = "its token or certificate is absent, wrong or expired";
    return new PangaeaError("SCHEDULER_FORBIDDEN", message, { fix });
  }
  if (status === 403) {
    const fix = "these credentials may not do that: ask for the role that docs/deploy.md names";
    return new PangaeaError("SCHEDULER_FORBIDDEN", message, { fix });
  }
  if (status === 429 || status >= 500) return new PangaeaError("SCHEDULER_BUSY", message);
  return new PangaeaError("SCHEDULER_REFUSED", message, { fix: "read what it says" });
}

/** What no machine can ever give. @param path in what was wanted: the process, then the key */
export const impossible = (
  path: readonly string[],
  message: string,
  fix: string | undefined,
): InputIssue => ({ code: "PLACEMENT_IMPOSSIBLE", message, path, fix });

/** @throws InputError where there is any issue */
export function throwIssues(issues: readonly InputIssue[]): void {
  if (issues.length > 0) throw new InputError(issues);
}
