/** Frames: what is written is read, however the bytes are cut; what was changed on the way is refused. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { PangaeaError } from "../../src/core/errors.ts";
import type { Header } from "../../src/world/message.ts";
import { Assembly } from "../../src/world/wire/assembly.ts";
import { At, HEAD_BYTES, PIECE_BYTES, PREFIX_BYTES } from "../../src/world/wire/frame.ts";
import type { LaneParcel } from "../../src/world/wire/lane.ts";
import { NODE } from "../../src/world/wire/machine.ts";
import { FrameReader } from "../../src/world/wire/reader.ts";
import { FrameWriter } from "../../src/world/wire/writer.ts";
import { parcel } from "./wire-parcel.ts";

const BOUNDS = { head: HEAD_BYTES, own: PIECE_BYTES };
const MOST = 4 << 20;

function written(parcels: readonly LaneParcel[], summed: boolean): Buffer {
  const writer = new FrameWriter(NODE);
  writer.summed = summed;
  const buffers: Uint8Array[] = [];
  for (const each of parcels) {
    const outgoing = writer.begin(each, false);
    const from = buffers.length;
    while (!writer.next(outgoing, buffers));
    const bytes = buffers.slice(from).reduce((sum, { length }) => sum + length, 0);
    expect(outgoing.wireBytes).toBe(bytes);
  }
  return Buffer.concat(buffers);
}

function newReader(summed: boolean) {
  const got: LaneParcel[] = [];
  const told: LaneParcel[] = [];
  const reader = new FrameReader("a stranger", NODE, BOUNDS, (each) => told.push(each));
  reader.assembly = new Assembly(NODE, { ordered: true, maxBody: MOST }, (each) => got.push(each));
  reader.trust("the peer", summed, BOUNDS);
  return { reader, got, told };
}

const names = fc.string({ maxLength: 20, unit: "binary" });
const value = fc.oneof(fc.double(), fc.string(), fc.array(fc.double()));
const part = fc.oneof(
  ...[fc.uint8Array(), fc.float32Array(), fc.float64Array(), fc.int16Array()],
  fc.nat(200_000).map((bytes) => new Uint8Array(bytes).fill(bytes)),
);
const parcels = fc.array(
  fc.record({
    kind: names,
    from: names,
    to: names,
    header: fc.dictionary(
      names.filter((key) => key !== "__proto__"),
      value,
      { noNullPrototype: true },
    ),
    payload: fc.array(part, { maxLength: 4 }),
  }),
  { maxLength: 5 },
) as fc.Arbitrary<unknown> as fc.Arbitrary<LaneParcel[]>;

/** With payloads as texts, which compare faster than typed arrays. */
const comparable = ({ payload, ...rest }: LaneParcel) => ({
  ...rest,
  payload: payload.map((view) => {
    const { buffer, byteOffset, byteLength } = view;
    return [view.constructor.name, Buffer.from(buffer, byteOffset, byteLength).toString("latin1")];
  }),
});

describe("frames", () => {
  test("are read as they were written, cut anywhere, into a buffer or in place", () => {
    const cut = fc.oneof(fc.integer({ min: 1, max: 64 }), fc.integer({ min: 1, max: 200_000 }));
    const cuts = fc.array(cut, { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(parcels, fc.boolean(), cuts, (sent, summed, lengths) => {
        const bytes = written(sent, summed);
        const { reader, got } = newReader(summed);
        let at = 0;
        let turn = 0;
        while (at < bytes.length) {
          const room = reader.room();
          // Large pieces in the middle of large parcels, or the test takes long.
          const length = Math.max(lengths[turn++ % lengths.length]!, bytes.length >> 8);
          const piece = bytes.subarray(at, at + Math.min(length, room?.length ?? length));
          at += piece.length;
          if (room) {
            room.set(piece);
            reader.filled(piece.length);
          } else {
            // The reader must keep nothing of a buffer that is used again.
            const reused = Buffer.from(piece);
            reader.push(reused);
            reused.fill(0xff);
          }
        }
        expect(got.map(comparable)).toEqual(sent.map(comparable));
      }),
      { numRuns: 100 },
    );
  });

  test("speak each name once", () => {
    const long = { ...parcel("control", { "a rather long key": 1 }), kind: "a rather long kind" };
    const [one, two] = [written([long], true), written([long, long], true)];
    expect(two.length - one.length).toBeLessThan(one.length - 40);
  });

  test("forget names before there are too many", () => {
    const sent = Array.from({ length: 9 }, (_, n) => {
      const header: Record<string, Header[string]> = {};
      for (let key = 0; key < 10_000; key++) header[`${n} ${key}`] = key;
      return { kind: "k", from: "a", to: "b", header, payload: [] };
    }) as unknown as LaneParcel[];
    const { reader, got } = newReader(true);
    reader.push(written(sent, true));
    expect(got).toEqual(sent);
  });

  test("go on after a parcel that could not be written", () => {
    const writer = new FrameWriter(NODE);
    const { reader, got } = newReader(true);
    const sound = { ...parcel("control", { new: 1 }), kind: "new" };
    const wrong = { ...sound, payload: [{} as Uint8Array] };
    expect(() => writer.begin(wrong, false)).toThrow("invariant");
    const buffers: Uint8Array[] = [];
    for (let n = 0; n < 2; n++) writer.next(writer.begin(sound, false), buffers);
    reader.push(Buffer.concat(buffers));
    expect(got.map(({ kind }) => kind)).toEqual(["new", "new"]);
  });

  const plain: LaneParcel = { ...parcel("bulk", { n: 1 }, [new Uint8Array(100)]) };
  test.each<readonly [what: string, at: number, bytes: number, value: number]>([
    ["2 GB announced", At.body, 4, 2 ** 31],
    ["4 GB announced", At.length, 4, 2 ** 32 - 1],
    ["a head of 2 GB", At.head, 4, 2 ** 31],
    ["no head", At.head, 4, 0],
    ["another version", At.version, 1, 9],
    ["unknown flags", At.flags, 1, 0x80],
    ["a checksum that is not there", At.flags, 1, 1],
    ["a set reserved field", At.zero, 2, 1],
    ["the other one", At.zeroToo, 4, 1],
    ["a lost parcel", At.number, 4, 1],
    ["a piece elsewhere", At.offset, 4, 16],
    ["another checksum", At.sum, 4, 5],
  ])("with %s are refused, naming peer and byte", (_, at, bytes, wrong) => {
    const frame = written([plain], true);
    frame.writeUIntLE(wrong, at, bytes);
    const { reader, got } = newReader(true);
    const read = (): void => reader.push(frame);
    expect(read).toThrow(expect.objectContaining({ code: "FRAME_MALFORMED" }));
    expect(() => newReader(true).reader.push(frame)).toThrow(`the peer is malformed at byte ${at}`);
    expect(got).toEqual([]);
  });

  test("that come twice are refused", () => {
    const { reader } = newReader(true);
    const frame = written([plain], true);
    reader.push(frame);
    expect(() => reader.push(frame)).toThrow("parcel 0, not 1");
  });

  test("do not change the prototype of a header", () => {
    const { reader } = newReader(false);
    const frame = written([{ ...plain, header: { a_proto_a: [1] } }], false);
    frame.write("__proto__", frame.indexOf("a_proto_a"));
    expect(() => reader.push(frame)).toThrow("__proto__");
  });

  const corpus = [
    written([plain, { ...plain, header: { text: "text", list: [1, 2, 3] } }], true),
    written([plain, { ...plain, payload: [new Float32Array(20), new BigInt64Array(3)] }], false),
    written([{ ...plain, payload: [new Uint8Array(PIECE_BYTES + 100)] }, plain], false),
  ];

  /** Changes bytes, cuts, repeats and inserts. */
  function mutate(bytes: Buffer, next: () => number): Buffer {
    // Most of the last one is payload, which may be anything: what lies around it is changed.
    const place = (): number =>
      next() % 2 ? next() % Math.min(bytes.length, 400) : bytes.length - 1 - (next() % 300);
    let result = Buffer.from(bytes);
    for (let changes = 1 + (next() % 4); changes > 0; changes--) {
      const at = Math.min(place(), result.length - 1);
      const kind = next() % 6;
      if (kind < 3) result[at] = [next() % 256, 255, result[at]! ^ (1 << (next() % 8))][kind]!;
      else if (kind === 3) result = result.subarray(0, Math.max(1, at));
      else if (kind === 4)
        result = Buffer.concat([result.subarray(0, at), result.subarray(at >> 1)]);
      else if (at + 4 <= result.length)
        result.writeUInt32LE([0, 2 ** 31, 2 ** 32 - 1][next() % 3]!, at);
    }
    return result;
  }

  test("that were mutated, 20,000 of them: whole parcels or typed errors, nothing else", () => {
    let state = 12345;
    const next = (): number => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return state >>> 8;
    };
    let refused = 0;
    for (let n = 0; n < 20_000; n++) {
      // The one with a large payload less often: it takes longest.
      const original = corpus[n % 50 === 0 ? 2 : n % 2]!;
      const bytes = mutate(original, next);
      const { reader, got } = newReader(original === corpus[0]);
      try {
        for (let at = 0; at < bytes.length; ) {
          const cut = at + 1 + (next() % 100_000);
          reader.push(bytes.subarray(at, cut));
          at = cut;
        }
      } catch (error) {
        refused++;
        if (!(error instanceof PangaeaError) || error.code !== "FRAME_MALFORMED") throw error;
      }
      // With checksums nothing that was changed comes through; equal bytes are no change.
      if (original === corpus[0])
        for (const [i, each] of got.entries()) {
          expect(each.header).toEqual(i === 0 ? { n: 1 } : { text: "text", list: [1, 2, 3] });
        }
    }
    expect(refused).toBeGreaterThan(10_000);
  });

  test("of nothing but noise are refused at the first byte that is wrong", () => {
    const { reader } = newReader(true);
    expect(() => reader.push(Buffer.from("GET / HTTP/1.1\r\nHost: pangaea\r\n\r\n"))).toThrow(
      expect.objectContaining({ code: "FRAME_MALFORMED" }),
    );
    expect(PREFIX_BYTES).toBe(32);
  });
});
