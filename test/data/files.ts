/** Real data for tests, small texts as bytes, and what a reader says of bad input. */
import { readFileSync } from "node:fs";
import { InputError, type InputIssue } from "../../src/core/errors.ts";

export const DATA = process.env.PANGAEA_DATA ?? "../shared/data";

export const real = (name: string) => ({ file: name, bytes: readFileSync(`${DATA}/${name}`) });

export const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

/** The same bytes in chunks of odd sizes, as a stream would bring them. */
export async function* inChunks(bytes: Uint8Array, size = 7): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

/** The first issue of the `InputError` that the call ends with. */
export async function issueOf(call: () => unknown): Promise<InputIssue> {
  try {
    await call();
  } catch (error) {
    if (error instanceof InputError) return error.issues[0]!;
    throw error;
  }
  throw new Error("nothing was refused");
}

/** How often each value occurs, by value from 0. */
export function histogram(values: Iterable<number>): number[] {
  const counts: number[] = [];
  for (const value of values) counts[value] = (counts[value] ?? 0) + 1;
  return counts;
}

export function sumOf(values: Iterable<number>): number {
  let sum = 0;
  for (const value of values) sum += value;
  return sum;
}
