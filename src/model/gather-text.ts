/** Gathers windows of a text into the token buffers that a graph reads. */
import type { TextDataset } from "../core/dataset.ts";
import { invariant } from "../core/errors.ts";

/** Token numbers, size x length; 64 bits wide for graphs that ask for int64. */
export type Tokens = BigInt64Array | Int32Array;

/**
 * Puts the windows of rows[start .. start+count) at the beginning of `inputs`, and each token's successor
 * at the same place of `targets`.
 */
export function gatherTokens(
  data: TextDataset,
  rows: Uint32Array,
  start: number,
  count: number,
  inputs: Tokens,
  targets: Tokens,
): void {
  const { tokens, length, starts } = data;
  for (let i = 0; i < count; i++) {
    const row = rows[start + i] ?? 0;
    invariant(row < data.rows, `row ${row} of a text with ${data.rows} rows`);
    const from = starts[row] ?? 0;
    invariant(from + length < tokens.length, `row ${row} goes beyond the text`);
    put(tokens, from, length, inputs, i * length);
    put(tokens, from + 1, length, targets, i * length);
  }
}

/** A 64-bit element is written as two words, low word first: a bigint for each token would be slow. */
function put(
  tokens: TextDataset["tokens"],
  from: number,
  length: number,
  into: Tokens,
  at: number,
): void {
  invariant(at + length <= into.length, `room for ${into.length} tokens, not ${at + length}`);
  if (into instanceof Int32Array) {
    for (let k = 0; k < length; k++) into[at + k] = tokens[from + k] ?? 0;
    return;
  }
  const words = new Int32Array(into.buffer, into.byteOffset, 2 * into.length);
  for (let k = 0; k < length; k++) {
    words[2 * (at + k)] = tokens[from + k] ?? 0;
    words[2 * (at + k) + 1] = 0;
  }
}
