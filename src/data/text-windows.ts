/**
 * A text as windows of tokens for language models. The last part of the text is the test, so that no window
 * lies in both; the vocabulary of characters is that of the training part, sorted by code point, and one
 * more token stands for whatever else a test holds.
 */

import type { TextDataset } from "../core/dataset.ts";
import { sharedMemory } from "../core/memory.ts";
import { badData, sharedBytes, sharedInts } from "./bytes.ts";
import type { NamedBytes } from "./idx.ts";

export interface WindowOptions {
  /** Tokens that a window reads. */
  readonly length: number;
  /** Tokens between the starts of training windows; by default the length. */
  readonly stride?: number | undefined;
  readonly tokens: "characters" | "bytes";
  /** Share of the text, its end, that is the test. */
  readonly testShare: number;
}

export interface TextWindows {
  readonly train: TextDataset;
  /** Windows side by side, whatever the stride: each token is judged once. */
  readonly test: TextDataset;
}

/** Errors: `InputError` BAD_DATA for a text that is not UTF-8, or too short for one window of each part. */
export function readText({ file, bytes }: NamedBytes, options: WindowOptions): TextWindows {
  const { length, testShare } = options;
  const symbols = options.tokens === "bytes" ? bytes : codePoints(decode(bytes, file));
  const border = symbols.length - Math.round(testShare * symbols.length);
  const parts = [symbols.subarray(0, border), symbols.subarray(border)] as const;
  const short = parts.find((part) => part.length <= length);
  if (short && (short === parts[0] || testShare > 0))
    throw badData({
      file,
      message:
        `a part of ${short.length} ${options.tokens} (${short === parts[0] ? "training" : "test"}) ` +
        `is too short for windows of ${length} and their successors`,
      fix: "a smaller data.length, or another data.testShare",
    });
  const characters = options.tokens === "bytes" ? undefined : distinct(parts[0]);
  const vocabulary = characters ? characters.length + 1 : 256;
  const make = (part: Symbols, stride: number): TextDataset => {
    const tokens = characters ? numbered(part, characters) : sameNumbers(part);
    const starts = startsOf(tokens.length, length, stride);
    return { kind: "text", rows: starts.length, tokens, starts, length, vocabulary };
  };
  return { train: make(parts[0], options.stride ?? length), test: make(parts[1], length) };
}

type Symbols = Uint8Array | Uint32Array;

function decode(bytes: Uint8Array, file: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw badData({ file, message: "is not UTF-8", fix: "data.tokens: bytes reads any file" });
  }
}

function codePoints(text: string): Uint32Array {
  const points = new Uint32Array(text.length);
  let count = 0;
  for (let at = 0; at < text.length; count++) {
    const point = text.codePointAt(at) ?? 0;
    points[count] = point;
    at += point > 0xffff ? 2 : 1;
  }
  return points.subarray(0, count);
}

/** The symbols that occur, ascending: a token is the place of its symbol. */
const distinct = (symbols: Symbols): Uint32Array => Uint32Array.from(new Set(symbols)).sort();

/** Unknown symbols become the token after the last known one. */
function numbered(symbols: Symbols, known: Uint32Array): TextDataset["tokens"] {
  const tokenOf = new Map(Array.from(known, (symbol, token) => [symbol, token]));
  const tokens = sharedTokens(symbols.length, known.length + 1);
  for (let i = 0; i < symbols.length; i++) tokens[i] = tokenOf.get(symbols[i]!) ?? known.length;
  return tokens;
}

function sameNumbers(bytes: Symbols): TextDataset["tokens"] {
  const tokens = sharedTokens(bytes.length, 256);
  tokens.set(bytes);
  return tokens;
}

/** Room in the narrowest array that holds the vocabulary, in shared memory. */
function sharedTokens(count: number, vocabulary: number): TextDataset["tokens"] {
  if (vocabulary <= 2 ** 8) return sharedBytes(count);
  return vocabulary <= 2 ** 16 ? new Uint16Array(sharedMemory(2 * count)) : sharedInts(count);
}

/** Starts of the windows whose last token has a successor in the text. */
function startsOf(tokens: number, length: number, stride: number): Uint32Array {
  const rows = Math.max(0, Math.floor((tokens - 1 - length) / stride) + 1);
  const starts = new Uint32Array(sharedMemory(4 * rows));
  for (let row = 0; row < rows; row++) starts[row] = row * stride;
  return starts;
}
