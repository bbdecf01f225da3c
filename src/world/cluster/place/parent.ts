/**
 * No orphans: a child of the placer notices that its parent is gone, however it went, by the end of its standard
 * input, which the parent holds open and never writes to. Slurm's `srun` passes that end on to another machine.
 */
import type { Readable } from "node:stream";

/** Set for a child whose standard input ends with its parent. */
export const PARENT_VARIABLE = "PANGAEA_PARENT";
export const PARENT_STDIN = "stdin";

/** Calls `gone` once when the placer that started this process is no more. Keeps no process alive. */
export function onParentGone(
  gone: () => void,
  env: Readonly<Record<string, string | undefined>> = process.env,
  input: Readable & { unref?: () => unknown } = process.stdin,
): void {
  if (env[PARENT_VARIABLE] !== PARENT_STDIN) return;
  let told = false;
  const tell = (): void => {
    if (!told) gone();
    told = true;
  };
  input.on("end", tell).on("close", tell).on("error", tell).resume();
  input.unref?.();
}
