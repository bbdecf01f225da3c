/** A run that failed, with what it leaves: copies that were still there are worth keeping. */
import { PangaeaError } from "../core/errors.ts";
import type { RunOutcome } from "./host.ts";

export class FailedRun extends PangaeaError {
  override readonly name: string = "FailedRun";
  readonly outcome: RunOutcome;

  constructor(failure: Error, outcome: RunOutcome) {
    const { code, fix } = failure as Partial<PangaeaError>;
    super(code ?? "RUN_FAILED", failure.message, { fix, cause: failure });
    this.outcome = outcome;
  }
}
