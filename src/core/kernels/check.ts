/** Checks that all kernels share. A failing one is a bug of the caller. */
import { invariant, PangaeaError } from "../errors.ts";

interface Sized {
  readonly length: number;
}

export function sameLength(a: Sized, b: Sized, c: Sized = a, d: Sized = a): void {
  if (a.length !== b.length || a.length !== c.length || a.length !== d.length)
    invariant(false, `arrays of ${a.length}, ${b.length}, ${c.length}, ${d.length} elements`);
}

export function roomFor(out: Sized, length: number): void {
  if (out.length < length) invariant(false, `room for ${out.length} indices, not ${length}`);
}

/** `largest` is the largest of `count` indices into an array of `length`. */
export function indexWithin(largest: number, count: number, length: number): void {
  if (count > 0 && largest >= length)
    invariant(false, `index ${largest} into an array of ${length} elements`);
}

const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;

export const outOfMemory = (wanted: number, used: number, most: number, cause?: unknown) =>
  new PangaeaError(
    "OUT_OF_MEMORY",
    `no room for ${megabytes(wanted)} more: ${megabytes(used)} of at most ${megabytes(most)} are in use`,
    { fix: "use fewer nodes or a smaller model in one process", cause },
  );
