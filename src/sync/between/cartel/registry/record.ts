/**
 * A site's record as bytes, and its checks on arrival: whatever comes from outside is either a well-formed record of
 * the run's shape or refused. Counts are varints, errors one byte each (steps of 1/254, below what a window of some
 * hundred samples can tell), the site and the overall error follow from the rest. Typical sizes: 75 bytes with 10
 * classes, 250 to 340 with 100 (test/sync/registry-record.test.ts); 2.4 of the notes on Cartel allows 1 kB.
 */
import { PangaeaError } from "../../../../core/errors.ts";
import type { NodeId, SiteId } from "../../../../core/ids.ts";
import type { Micros } from "../../../../core/units.ts";
import type { SiteRecord } from "./contract.ts";

const VERSION = 1;
const ERROR_STEPS = 254;
const NO_ERROR = 255;
/** No record is longer; refuses junk before it is looked at. */
export const MOST_RECORD_BYTES = 16_384;
/** A record from further in the future than this was not told by an honest clock. */
const MOST_AHEAD: Micros = 60_000_000;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });

/** Of a message that is no valid record; counted by who received it, and dropped. */
const refused = (why: string, cause?: unknown): PangaeaError =>
  new PangaeaError("RECORD_REFUSED", `a record was refused: ${why}`, { cause });

export const siteOfNode = (node: string): SiteId =>
  node.slice(0, Math.max(0, node.lastIndexOf("/"))) as SiteId;

/** The mean error by counts; 1 without any label, so that nobody seems good who has seen nothing. */
export function overallError(counts: Uint32Array, errors: Float32Array): number {
  let [examples, wrong] = [0, 0];
  for (let c = 0; c < counts.length; c++) {
    if (counts[c] === 0) continue;
    examples += counts[c]!;
    wrong += counts[c]! * errors[c]!;
  }
  return examples === 0 ? 1 : wrong / examples;
}

export function encodeRecord(record: SiteRecord): Uint8Array {
  const out: number[] = [VERSION];
  putText(out, record.modelKind);
  putText(out, record.node);
  for (const number of [record.sequence, record.modelVersion, record.modelBytes, record.batches])
    putVarint(out, number);
  putFloat(out, record.trainFlops);
  putVarint(out, record.classCounts.length);
  for (let c = 0; c < record.classCounts.length; c++) {
    const count = record.classCounts[c]!;
    putVarint(out, count);
    if (count === 0) continue;
    const error = record.classErrors[c]!;
    out.push(Number.isNaN(error) ? NO_ERROR : Math.round(error * ERROR_STEPS));
  }
  putVarint(out, record.sketch?.length ?? 0);
  for (const value of record.sketch ?? []) putFloat(out, value);
  return Uint8Array.from(out);
}

/** What the receiver of a record knows. */
export interface Expected {
  readonly classes: number;
  readonly nodes: ReadonlySet<NodeId>;
  readonly now: Micros;
  /** Who sent it, where a node may speak for itself only. */
  readonly from?: NodeId | undefined;
}

/** @throws PangaeaError RECORD_REFUSED */
export function decodeRecord(bytes: Uint8Array, expected: Expected): SiteRecord {
  const { now, from } = expected;
  if (bytes.length > MOST_RECORD_BYTES) throw refused(`${bytes.length} bytes`);
  const input = new Reader(bytes);
  if (input.byte() !== VERSION) throw refused("another version");
  const modelKind = input.text();
  const node = input.text() as NodeId;
  const site = siteOfNode(node);
  if (!expected.nodes.has(node)) throw refused(`${node.slice(0, 40)} is no node of this run`);
  if (from !== undefined && node !== from) throw refused(`${from} speaks for ${node}`);
  const sequence = input.varint();
  if (sequence > now + MOST_AHEAD) throw refused("told in the future");
  const [modelVersion, modelBytes, batches] = [input.varint(), input.varint(), input.varint()];
  const trainFlops = input.float();
  if (!(trainFlops >= 0)) throw refused("a cost below nothing");
  const { counts, errors } = readClasses(input, expected.classes);
  const sketch = readSketch(input);
  if (!input.atEnd) throw refused("bytes behind its end");
  return {
    site,
    node,
    sequence,
    modelKind,
    modelVersion,
    modelBytes,
    batches,
    classCounts: counts,
    classErrors: errors,
    error: overallError(counts, errors),
    trainFlops,
    ...(sketch ? { sketch } : {}),
  };
}

function readClasses(input: Reader, classes: number) {
  const told = input.varint();
  if (told !== classes) throw refused(`${told} classes instead of ${classes}`);
  const counts = new Uint32Array(classes);
  const errors = new Float32Array(classes).fill(Number.NaN);
  for (let c = 0; c < classes; c++) {
    const count = input.varint();
    if (count > 0xffffffff) throw refused("a count beyond any window");
    if (count === 0) continue;
    counts[c] = count;
    const step = input.byte();
    if (step === NO_ERROR) throw refused("labels without an error");
    errors[c] = step / ERROR_STEPS;
  }
  return { counts, errors };
}

function readSketch(input: Reader): Float32Array | undefined {
  const length = input.varint();
  if (length === 0) return undefined;
  if (length > 1024) throw refused("a sketch without measure");
  const sketch = new Float32Array(length);
  for (let i = 0; i < length; i++) sketch[i] = input.float();
  return sketch;
}

function putVarint(out: number[], value: number): void {
  let rest = Math.max(0, Math.floor(value));
  for (; rest >= 128; rest = Math.floor(rest / 128)) out.push((rest % 128) | 128);
  out.push(rest);
}

function putFloat(out: number[], value: number): void {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setFloat32(0, value, true);
  out.push(...bytes);
}

function putText(out: number[], text: string): void {
  const bytes = encoder.encode(text);
  putVarint(out, bytes.length);
  out.push(...bytes);
}

class Reader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get atEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  byte(): number {
    const value = this.#bytes[this.#at++];
    if (value === undefined) throw refused("cut short");
    return value;
  }

  varint(): number {
    let [value, scale] = [0, 1];
    for (;;) {
      const byte = this.byte();
      value += (byte & 127) * scale;
      if (value > Number.MAX_SAFE_INTEGER) throw refused("a number without end");
      if (byte < 128) return value;
      scale *= 128;
    }
  }

  /** A view: what came may lie anywhere in a larger buffer. */
  #take(length: number): Uint8Array {
    if (length > this.#bytes.length - this.#at) throw refused("cut short");
    return this.#bytes.subarray(this.#at, (this.#at += length));
  }

  float(): number {
    const { buffer, byteOffset } = this.#take(4);
    const value = new DataView(buffer, byteOffset, 4).getFloat32(0, true);
    if (!Number.isFinite(value)) throw refused("a number that is none");
    return value;
  }

  text(): string {
    const bytes = this.#take(this.varint());
    try {
      return decoder.decode(bytes);
    } catch (error) {
      throw refused("a name that is no text", error);
    }
  }
}
