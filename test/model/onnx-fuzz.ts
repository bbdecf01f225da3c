/**
 * Seeded mutations of ONNX files, of any bytes or of fields whose lengths are mended. What comes back
 * from the reader must be a model or an `InputError`, nothing else.
 */
import { BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { InputError } from "../../src/core/errors.ts";
import { createRandom, type Random } from "../../src/core/random.ts";
import type { Message } from "../../src/model/onnx/proto/encode.ts";
import { readModel } from "../../src/model/onnx/proto/read.ts";
import { type Field, MESSAGES, type MessageName } from "../../src/model/onnx/proto/schema.ts";
import { file, fixture, fixtures, node } from "./onnx-files.ts";

/** Files to begin with: all that Python's package wrote, and one of every attribute and list. */
export const corpus = (): readonly Uint8Array[] => [...fixtures.map(fixture), everything()];

function everything(): Uint8Array {
  const w: Message = { name: "w", dims: [2, 2], dataType: 1, floatData: [1, 2, 3, 4] };
  const attribute: readonly Message[] = [
    { name: "f", type: 1, f: 0.5 },
    { name: "i", type: 2, i: -1 },
    { name: "s", type: 3, s: Uint8Array.of(104, 105) },
    { name: "t", type: 4, t: { dims: [2], dataType: 7, int64Data: [1n, -1n] as never } },
    { name: "fs", type: 6, floats: [1, 2, 3] },
    { name: "is", type: 7, ints: [1, -2, 300] },
    { name: "ss", type: 8, strings: [Uint8Array.of(97)] },
  ];
  return file({
    node: [
      node("Do", ["x", "", "w"], ["h"], { attribute, domain: "own" }),
      node("Neg", ["h"], ["y"]),
    ],
    initializer: [w, { name: "d", dims: [1], dataType: 11, doubleData: [0.1] }],
  });
}

type Mutate = (bytes: Uint8Array) => Uint8Array;
type Mutation = (bytes: Uint8Array, random: Random, others: readonly Uint8Array[]) => Uint8Array;

const splice = (
  bytes: Uint8Array,
  at: number,
  gone: number,
  put: ArrayLike<number>,
): Uint8Array => {
  const end = Math.min(bytes.length, at + gone);
  const result = new Uint8Array(bytes.length - (end - at) + put.length);
  result.set(bytes.subarray(0, at));
  result.set(put, at);
  result.set(bytes.subarray(end), at + put.length);
  return result;
};
const place = (bytes: Uint8Array, random: Random): number => random.integer(bytes.length + 1);

/** Numbers where readers err, as varints: 0, 1, -1, 2^31, 2^32, 2^53, 2^63, and one that is too long. */
const VARINTS: readonly (readonly number[])[] = [
  ...[[0], [1], [0x7f], [0x80, 0x01], [0xff, 0xff, 0x03]],
  ...[
    [0xff, 0xff, 0xff, 0xff, 0x07],
    [0xff, 0xff, 0xff, 0xff, 0x0f],
    [0x80, 0x80, 0x80, 0x80, 0x10],
  ],
  [...Array<number>(7).fill(0x80), 0x10],
  [...Array<number>(9).fill(0xff), 0x01],
  [...Array<number>(9).fill(0x80), 0x01],
  Array<number>(12).fill(0xff),
];

/** A tag of every number and wire type that means something, and of some that do not. */
const tag = (random: Random): number => (random.integer(28) << 3) | random.integer(8);

/** A message in a message in a message. */
function nested(depth: number, random: Random): Uint8Array {
  let inner: Uint8Array = Uint8Array.of(tag(random) & 0x7f, 0);
  for (let i = 0; i < depth; i++) {
    const length =
      inner.length < 128 ? [inner.length] : [(inner.length & 0x7f) | 0x80, inner.length >> 7];
    inner = splice(inner, 0, 0, [((1 + random.integer(15)) << 3) | 2, ...length]);
  }
  return inner;
}

const MUTATIONS: readonly Mutation[] = [
  (bytes, random) => {
    const at = random.integer(bytes.length || 1);
    return splice(bytes, at, 1, [(bytes[at] ?? 0) ^ (1 << random.integer(8))]);
  },
  (bytes, random) => splice(bytes, place(bytes, random), 1, [random.integer(256)]),
  (bytes, random) => splice(bytes, place(bytes, random), 0, [random.integer(256)]),
  (bytes, random) => splice(bytes, place(bytes, random), 1 + random.integer(8), []),
  (bytes, random) => bytes.slice(0, place(bytes, random)),
  (bytes, random) => {
    const varint = VARINTS[random.integer(VARINTS.length)] as readonly number[];
    return splice(bytes, place(bytes, random), random.integer(3), varint);
  },
  (bytes, random) => splice(bytes, place(bytes, random), random.integer(2), [tag(random)]),
  (bytes, random, others) => {
    const other = others[random.integer(others.length)] as Uint8Array;
    const from = place(other, random);
    const piece = other.subarray(from, from + random.integer(40));
    return splice(bytes, place(bytes, random), random.integer(piece.length + 1), piece);
  },
  (bytes, random) => {
    const from = place(bytes, random);
    return splice(bytes, from, 0, bytes.subarray(from, from + random.integer(64)));
  },
  (bytes, random) => splice(bytes, place(bytes, random), 0, nested(random.integer(200), random)),
  (bytes, random) => {
    const groups = new Uint8Array(random.integer(300)).fill((tag(random) & 0x78) | 3);
    return splice(bytes, place(bytes, random), 0, groups);
  },
];

interface Part {
  /** The message that it holds, if it does. */
  readonly message: MessageName | undefined;
  readonly wire: WireType;
  /** Where tag, value, content (behind a length) and the next field begin. */
  readonly places: readonly [tag: number, value: number, content: number, end: number];
}

/** The fields of a message that is whole; of a broken one those before the break. */
function partsOf(bytes: Uint8Array, name: MessageName): readonly Part[] {
  const types = new Map<number, string>(
    Object.values<Field>(MESSAGES[name]).map(({ number, type }) => [number, type]),
  );
  const found: Part[] = [];
  const reader = new BinaryReader(bytes);
  try {
    while (reader.pos < bytes.length) {
      const at = reader.pos;
      const [number, wire] = reader.tag();
      const value = reader.pos;
      reader.skip(wire);
      const end = reader.pos;
      reader.pos = value;
      const content = wire === WireType.LengthDelimited ? end - reader.uint32() : value;
      reader.pos = end;
      const type = types.get(number) ?? "";
      const message = type in MESSAGES ? (type as MessageName) : undefined;
      found.push({ message, wire, places: [at, value, content, end] });
    }
  } catch {
    // Mutated before.
  }
  return found;
}

const pick = <T>(items: readonly T[], random: Random): T =>
  items[random.integer(items.length)] as T;
const delimited = (content: Uint8Array): Uint8Array => new BinaryWriter().bytes(content).finish();

/** Mutates a field somewhere within and mends the lengths around it, so that what is behind it is read. */
function within(bytes: Uint8Array, name: MessageName, random: Random, mutate: Mutate): Uint8Array {
  const parts = partsOf(bytes, name);
  if (parts.length === 0) return mutate(bytes);
  const { message, wire, places } = pick(parts, random);
  const [tag, value, content, end] = places;
  const inner = bytes.subarray(content, end);
  const kind = random.integer(8);
  if (message && kind > 1)
    return splice(bytes, value, end - value, delimited(within(inner, message, random, mutate)));
  if (kind === 0) return splice(bytes, tag, end - tag, []);
  if (kind === 1) return splice(bytes, tag, 0, bytes.subarray(tag, end));
  if (wire === WireType.Varint) return splice(bytes, value, end - value, pick(VARINTS, random));
  if (wire !== WireType.LengthDelimited || kind === 2) return mutate(bytes);
  const text = kind < 6 ? Uint8Array.of(pick(NAMES, random)) : mutate(inner);
  return splice(bytes, value, end - value, delimited(text));
}

/** Names that values of the files have, so that a name replaced often meets another. */
const NAMES: readonly number[] = [..."xywhbdt"].map((letter) => letter.charCodeAt(0));

/** The file with the seed's one to four mutations: of any bytes, or of fields. */
export function mutant(seed: number, files: readonly Uint8Array[]): Uint8Array {
  const random = createRandom(seed, "onnx");
  const mutate: Mutate = (bytes) => pick(MUTATIONS, random)(bytes, random, files);
  let bytes = pick(files, random);
  for (let times = 1 + random.integer(4); times > 0; times--)
    bytes = random.integer(4) === 0 ? mutate(bytes) : within(bytes, "Model", random, mutate);
  return bytes;
}

const BESIDE = new Uint8Array(64);

/** "read", or the code with which it was refused. Rethrows all but errors with code, message and byte. */
export function outcome(bytes: Uint8Array): string {
  try {
    readModel(bytes, { external: () => BESIDE });
    return "read";
  } catch (error) {
    const issue = error instanceof InputError ? error.issues[0] : undefined;
    if (!issue?.code.startsWith("ONNX_") || !issue.message || issue.offset === undefined)
      throw error;
    if (issue.offset > bytes.length) throw new Error(`byte ${issue.offset} of ${bytes.length}`);
    return issue.code;
  }
}
