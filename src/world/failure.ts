/** How a run fails when one of its nodes does. */
import { InputError, PangaeaError } from "../core/errors.ts";
import type { NodeId } from "../core/ids.ts";

/** NODE_FAILED with the node and the cause; bad input stays what it is. */
export function nodeFailed(node: NodeId, cause: unknown): PangaeaError {
  if (cause instanceof InputError) return cause;
  const message = cause instanceof Error ? cause.message : String(cause);
  const fix = cause instanceof PangaeaError ? cause.fix : undefined;
  return new PangaeaError("NODE_FAILED", `${node} failed: ${message}`, { cause, fix });
}
