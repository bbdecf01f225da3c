/** Bulk over several streams: pieces in any order, one stream stalled or broken, credit, and peers that lie. */
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { PangaeaError } from "../../src/core/errors.ts";
import { Scope } from "../../src/core/scope.ts";
import { SECOND } from "../../src/core/units.ts";
import { Assembly, MOST_CREDIT } from "../../src/world/wire/assembly.ts";
import type { Connection, Listener } from "../../src/world/wire/contract.ts";
import { dial } from "../../src/world/wire/dial.ts";
import { Estimator, FIRST_WINDOW } from "../../src/world/wire/estimator.ts";
import { At, HEAD_BYTES, PIECE_BYTES, SHARED_PIECE_BYTES } from "../../src/world/wire/frame.ts";
import { Goodput } from "../../src/world/wire/goodput.ts";
import { readHello } from "../../src/world/wire/hello.ts";
import type { LaneParcel } from "../../src/world/wire/lane.ts";
import { listen } from "../../src/world/wire/listen.ts";
import { NODE } from "../../src/world/wire/machine.ts";
import { PORTABLE } from "../../src/world/wire/portable.ts";
import { FrameReader } from "../../src/world/wire/reader.ts";
import { SocketLane } from "../../src/world/wire/socket-lane.ts";
import { FrameWriter } from "../../src/world/wire/writer.ts";
import { collect } from "./wire-contract.ts";
import { parcel } from "./wire-parcel.ts";

const MOST = 4 << 20;
const BOUNDS = { head: HEAD_BYTES, own: PIECE_BYTES };

/** The frames of some parcels, each its own bytes. */
function framesOf(parcels: readonly LaneParcel[], summed = true): Buffer[] {
  const writer = new FrameWriter(NODE, true);
  writer.summed = summed;
  return parcels.flatMap((each) => {
    const outgoing = writer.begin(each, false);
    const frames: Buffer[] = [];
    for (let last = false; !last; ) {
      const buffers: Uint8Array[] = [];
      last = writer.next(outgoing, buffers);
      frames.push(Buffer.concat(buffers));
    }
    return frames;
  });
}

/** So many sockets that bring the parcels of one queue. */
function several(streams: number, summed = true) {
  const got: LaneParcel[] = [];
  const bounds = { ordered: false, maxBody: MOST };
  const assembly = new Assembly(NODE, bounds, (each) => got.push(each));
  const readers = Array.from({ length: streams }, () => {
    const reader = new FrameReader("the peer", NODE, BOUNDS, () => {});
    reader.trust("the peer", summed, BOUNDS);
    reader.assembly = assembly;
    return reader;
  });
  return { got, assembly, readers };
}

const noise = (bytes: number, seed: number): Uint8Array =>
  Uint8Array.from({ length: bytes }, (_, i) => (i * 31 + seed * 17 + (i >> 8)) & 255);
const sized = (sizes: readonly number[]): LaneParcel[] =>
  sizes.map((bytes, n) => parcel("bulk", { n }, [noise(bytes, n), Int32Array.of(n)]));
const malformed = expect.objectContaining({ code: "FRAME_MALFORMED" });

describe("pieces over several streams", () => {
  test("are put together in place and in order, however the streams take turns and are cut", () => {
    const size = fc.oneof(fc.nat(100), fc.integer({ min: 0, max: 4 * SHARED_PIECE_BYTES }));
    const sizes = fc.array(size, { minLength: 1, maxLength: 6 });
    const draws = fc.infiniteStream(fc.nat(1_000_000));
    fc.assert(
      fc.property(sizes, fc.integer({ min: 2, max: 5 }), draws, (lengths, streams, chance) => {
        const draw = (): number => chance.next().value as number;
        const sent = sized(lengths);
        const wires: Buffer[][] = Array.from({ length: streams }, () => []);
        for (const frame of framesOf(sent)) wires[draw() % streams]!.push(frame);
        const rest = wires.map((frames) => Buffer.concat(frames));
        const { readers, got, assembly } = several(streams);
        while (rest.some(({ length }) => length > 0)) {
          const n = draw() % streams;
          const piece = rest[n]!.subarray(0, 1 + (draw() % 90_000));
          rest[n] = rest[n]!.subarray(piece.length);
          const room = readers[n]!.room();
          if (room && room.length >= piece.length) {
            room.set(piece);
            readers[n]!.filled(piece.length);
          } else readers[n]!.push(Buffer.from(piece));
        }
        expect(got.map(({ header }) => header["n"])).toEqual(lengths.map((_, n) => n));
        for (const [n, { payload }] of got.entries())
          expect(Buffer.compare(payload[0] as Uint8Array, noise(lengths[n]!, n))).toBe(0);
        expect(assembly.incomplete).toBe(false);
        expect(assembly.credit.came).toBe(assembly.credit.taken);
      }),
      { numRuns: 30 },
    );
  });

  test("behind a gap come, but are not taken: no credit for what a peer never completes", () => {
    const frames = framesOf(sized([10, 1000, 1000]));
    const { readers, assembly, got } = several(2);
    readers[1]!.push(frames[1]!);
    readers[1]!.push(frames[2]!);
    const behind = frames[1]!.length + frames[2]!.length;
    expect(assembly.credit).toEqual({ came: behind, taken: 0 });
    expect(got).toEqual([]);
    readers[0]!.push(frames[0]!);
    const all = behind + frames[0]!.length;
    expect(assembly.credit).toEqual({ came: all, taken: all });
    expect(got).toHaveLength(3);
  });

  const [first, second] = framesOf(sized([3 * SHARED_PIECE_BYTES])) as [Buffer, Buffer];
  test.each<readonly [what: string, frames: readonly (readonly [stream: number, Buffer])[]]>([
    ["twice on one", [[0, first] as const, [0, first] as const]],
    ["on two at once", [[0, first] as const, [1, first] as const]],
    ["backwards on one", [[0, second] as const, [0, first] as const]],
  ])("that come %s are refused", (_, frames) => {
    const { readers, got } = several(2);
    const play = (): void => {
      for (const [stream, frame] of frames) readers[stream]!.push(frame);
    };
    expect(play).toThrow(malformed);
    expect(got).toEqual([]);
  });

  test("of parcels far ahead, and of more than is held, are refused", () => {
    const { assembly } = several(2);
    expect(assembly.find(1 << 20, 10)).toContain("parcel 1048576, not 0");
    let held = 0;
    for (let n = 0; ; n++) {
      const found = assembly.find(n, MOST);
      if (typeof found === "string") break;
      held += found.body.length;
    }
    expect(held).toBeLessThanOrEqual(2 * MOST + MOST_CREDIT);
    expect(assembly.find(0, MOST - 1)).toContain("before of");
  });

  test("that were mutated, 5,000 times: whole parcels in order or typed errors, nothing else", () => {
    let state = 4711;
    const next = (): number => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return state >>> 8;
    };
    const sent = sized([100, SHARED_PIECE_BYTES + 40, 0, 300]);
    const whole = framesOf(sent);
    let refused = 0;
    for (let n = 0; n < 5000; n++) {
      const { readers, got } = several(3);
      const frames = whole.map((frame) => Buffer.from(frame));
      const victim = frames[next() % frames.length]!;
      const at = next() % 2 ? next() % Math.min(120, victim.length) : next() % victim.length;
      victim[at] = [next() % 256, 255, victim[at]! ^ (1 << (next() % 8))][next() % 3]!;
      if (next() % 4 === 0) victim.writeUInt32LE([0, 2 ** 32 - 1, 2 ** 31][next() % 3]!, At.offset);
      try {
        for (const frame of frames) readers[next() % 3]!.push(frame);
      } catch (error) {
        refused++;
        if (!(error instanceof PangaeaError) || error.code !== "FRAME_MALFORMED") throw error;
      }
      for (const [i, each] of got.entries()) expect(each.header).toEqual({ n: i });
    }
    expect(refused).toBeGreaterThan(3000);
  });

  test("have the same checksum on a page", () => {
    const bytes = noise(1000, 3);
    expect(PORTABLE.crc32(bytes)).toBe(NODE.crc32(bytes));
    expect(PORTABLE.crc32(bytes, 77)).toBe(NODE.crc32(bytes, 77));
  });
});

describe("credit", () => {
  test.each([
    { came: 1, taken: 0 },
    { came: 0, taken: 1 },
    { came: -1, taken: -1 },
    { came: 0.5, taken: 0 },
    { came: Number.NaN, taken: Number.NaN },
    { came: Infinity, taken: 0 },
  ])("that cannot be is refused: %o", (credit) => {
    const lane = new SocketLane("x", { streams: 2, windowed: true, maxPayload: MOST });
    expect(() => lane.credit(credit)).toThrow(malformed);
    lane.credit({ came: 0, taken: 0 });
  });

  test.each([
    { stream: 4, streams: 4 },
    { stream: -1, streams: 4 },
    { stream: 0, streams: 17 },
    { stream: 0.5, streams: 2 },
    { stream: 1, streams: 1e9 },
    {},
  ])("is for streams that can be: %o is no introduction", (numbers) => {
    const texts = { name: "a", run: "r", version: "1", token: "t", link: "l", queue: "bulk" };
    expect(readHello({ ...texts, checksum: 0, ...numbers }, true)).toBeTypeOf("string");
    const sound = { ...texts, checksum: 0, stream: 1, streams: 4 };
    expect(readHello(sound, true)).toEqual(sound);
    expect(readHello({ ...sound, queue: "control" }, true)).toBeTypeOf("string");
  });
});

describe("the estimate of a link", () => {
  const LINK = { rate: 12.5, trip: 100_000 };

  /** Rounds of a link of `rate` bytes a microsecond that is never without work. */
  function play(estimator: Estimator, rounds: number, link = LINK, from = { now: 0, bytes: 0 }) {
    let { now, bytes } = from;
    for (let n = 0; n < rounds; n++) {
      now += link.trip;
      bytes += Math.min(estimator.window(), link.rate * link.trip);
      estimator.delivered(now, bytes, true);
    }
    return { now, bytes };
  }

  test("grows while the window is what limits, and rests at two bandwidth-delay products", () => {
    const estimator = new Estimator();
    estimator.trip(LINK.trip);
    estimator.delivered(0, 0, true);
    expect(estimator.window()).toBe(FIRST_WINDOW);
    play(estimator, 30);
    const { goodput, roundTripMicros } = estimator.estimate();
    expect([goodput, roundTripMicros]).toEqual([LINK.rate * 8e6, LINK.trip]);
    const product = LINK.rate * LINK.trip;
    expect(estimator.window()).toBeGreaterThanOrEqual(2 * product);
    expect(estimator.window()).toBeLessThanOrEqual(3 * product);
  });

  test("shrinks when the link has become slower, but not when there is little to send", () => {
    const estimator = new Estimator();
    estimator.trip(LINK.trip);
    estimator.delivered(0, 0, true);
    let at = play(estimator, 30);
    const full = estimator.window();
    for (let n = 0; n < 30; n++) {
      at = { now: at.now + SECOND, bytes: at.bytes + 1000 };
      estimator.delivered(at.now, at.bytes, false);
    }
    expect(estimator.window()).toBe(full);
    estimator.resume(at.now, at.bytes);
    play(estimator, 30, { rate: 1, trip: LINK.trip }, at);
    expect(estimator.estimate().goodput).toBe(8e6);
    expect(estimator.window()).toBeLessThan(full / 3);
  });

  test("takes the shortest round trip of late", () => {
    const estimator = new Estimator();
    for (const trip of [120, 100, 300]) estimator.trip(trip);
    expect(estimator.estimate().roundTripMicros).toBe(100);
    for (let n = 0; n < 40; n++) estimator.trip(200);
    expect(estimator.estimate().roundTripMicros).toBe(200);
  });
});

describe("the goodput of a link", () => {
  const TRIP = 100_000;
  const trip = () => TRIP;

  /** Parcels of these bytes at these times, over a link of a byte a microsecond whose peer speaks of each chunk. */
  function play(parcels: readonly (readonly [at: number, bytes: number])[], chunk = 10_000) {
    const goodput = new Goodput();
    const words: { readonly at: number; readonly come: () => void }[] = [];
    let [end, free] = [0, 0];
    for (const [at, bytes] of parcels) {
      for (let begun = 0; begun < bytes; begun += chunk) {
        free = Math.max(free, at) + Math.min(chunk, bytes - begun);
        const [come, had] = [free + TRIP, end + Math.min(begun + chunk, bytes)];
        words.push({ at: come, come: () => goodput.delivered(come, had, trip) });
      }
      end += bytes;
      const total = end;
      words.push({ at, come: () => goodput.sent(at, total) });
    }
    for (const { come } of words.sort((a, b) => a.at - b.at)) come();
    return goodput.rate;
  }

  test("is its rate, for bursts and for a sender that always has more", () => {
    expect(play([[0, 1_000_000]])).toBe(8e6);
    const bursts = [0, 1, 2, 3].map((n) => [n * SECOND, 200_000] as const);
    expect(play(bursts)).toBe(8e6);
    const always = Array.from({ length: 100 }, (_, n) => [n * 10_000, 20_000] as const);
    expect(play(always)).toBe(8e6);
  });

  test("is not known from a sender of little, however often it sends", () => {
    const little = Array.from({ length: 100 }, (_, n) => [n * 30_000, 10_000] as const);
    expect(play(little)).toBeUndefined();
    expect(
      play(Array.from({ length: 9 }, (_, n) => [n * SECOND, 10_000] as const)),
    ).toBeUndefined();
  });

  test("is not known before a round trip is", () => {
    const goodput = new Goodput();
    goodput.sent(0, 100_000);
    for (const n of [1, 2, 3]) goodput.delivered(n * SECOND, n * 1000, () => 0);
    expect(goodput.rate).toBeUndefined();
  });
});

describe("connections of four streams", () => {
  const OURS = { run: "a run", version: "1", token: "a secret", streams: 4 };
  let folder = "";
  const wires: { left: Socket; right: Socket }[] = [];
  let open: (Server | Listener | Connection)[] = [];
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "streams-"));
  });
  afterEach(async () => {
    for (const each of open) await each.close();
    for (const { left, right } of wires) {
      left.destroy();
      right.destroy();
    }
    open = [];
    wires.length = 0;
    rmSync(folder, { recursive: true });
  });

  const same = new Uint8Array(300_000).fill(7);

  /** Each stream goes through a wire that can be cut. Wires are in order of their opening: control first. */
  async function tapped(theirs: { readonly maxQueued?: number } = {}) {
    let right: Connection | undefined;
    const [near, far] = [join(folder, "near"), join(folder, "far")];
    const accept = (connection: Connection): void => {
      right = connection;
    };
    const listener = await listen({ path: far }, { ...OURS, ...theirs, name: "right", accept });
    const tap = createServer((left) => {
      const wire = { left, right: connect(far) };
      for (const socket of [left, wire.right]) socket.on("error", () => {});
      left.pipe(wire.right).pipe(left);
      wires.push(wire);
    });
    tap.listen(near);
    await once(tap, "listening");
    const left = await dial({ path: near }, { ...OURS, name: "left" });
    open.push(listener, tap);
    return { left, right: right! };
  }

  test("wait for a stream that is stalled, and go on in order with it; control goes on without", async () => {
    const { left, right } = await tapped();
    wires[2]!.left.unpipe(wires[2]!.right);
    const got: number[] = [];
    let control: () => void = () => {};
    const overtook = new Promise<void>((resolve) => (control = resolve));
    let whole: () => void = () => {};
    const all = new Promise<void>((resolve) => (whole = resolve));
    right.receive(({ queue, header }) => {
      if (queue === "control") control();
      else if (got.push(header["n"] as number) === 40) whole();
    });
    for (let n = 0; n < 40; n++) left.send(parcel("bulk", { n }, [same]));
    left.send(parcel("control", {}));
    await overtook;
    expect(got.length).toBeLessThan(40);
    wires[2]!.left.pipe(wires[2]!.right);
    await all;
    expect(got).toEqual([...Array(40).keys()]);
    expect(left.estimate().roundTripMicros).toBeGreaterThan(0);
    await Promise.all([left.close(), right.close()]);
  });

  test("end at both hosts when a stream breaks in mid-chunk, and say which", async () => {
    const { left, right } = await tapped();
    const got: number[] = [];
    right.receive(({ header }) => got.push(header["n"] as number));
    wires[3]!.left.unpipe(wires[3]!.right);
    for (let n = 0; n < 20; n++) left.send(parcel("bulk", { n }, [same]));
    const [chunk] = (await once(wires[3]!.left.resume(), "data")) as [Buffer];
    wires[3]!.right.write(chunk.subarray(0, 1000), () => {
      wires[3]!.left.destroy();
      wires[3]!.right.destroy();
    });
    expect(await left.ended).toMatchObject({ code: "PEER_GONE" });
    expect(await right.ended).toMatchObject({ code: "PEER_GONE" });
    const reasons = [(await left.ended)!.message, (await right.ended)!.message];
    expect(reasons.some((reason) => /stream \d of 4 broke/.test(reason))).toBe(true);
    expect(got).toEqual([...got.keys()]);
    expect(() => left.send(parcel("bulk", {}))).toThrow("right");
  });

  test("send no more than the credit of a peer that takes nothing, and all when it takes again", async () => {
    const { left, right } = await tapped({ maxQueued: 1 << 20 });
    const part = new Uint8Array(1 << 20);
    const parts = 128;
    for (let n = 0; n < parts; n++) left.send(parcel("bulk", { n }, [part]));
    const sent = (): number => wires.reduce((sum, wire) => sum + wire.left.bytesRead, 0);
    for (let before = -1, same = 0; same < 50; before = sent()) {
      await new Promise((resolve) => setImmediate(resolve));
      same = sent() === before && before > 4 << 20 ? same + 1 : 0;
    }
    expect(sent()).toBeLessThan((1 << 20) + MOST_CREDIT + (4 << 20));
    expect(left.backlog()).toBeGreaterThan(32 << 20);
    const got = await collect(right, parts);
    expect(got.map(({ header }) => header["n"])).toEqual([...Array(parts).keys()]);
    await Scope.run((scope) => left.drained(0, scope));
    await Promise.all([left.close(), right.close()]);
  });
});
