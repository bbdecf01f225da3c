/** A run's files in their bucket: as long as the run is led, and not much longer. */
import { expect, test, vi } from "vitest";
import { SECOND } from "../../src/core/units.ts";
import { MAX_BLOB } from "../../src/world/bus/blobs.ts";
import { type Buckets, bucketsOfRun, SHARED_SECONDS } from "../../src/world/bus/buckets.ts";
import { MemoryBroker } from "../../src/world/bus/memory.ts";
import { keepFiles, listed, type RunFiles, takeFile } from "../../src/world/bus/run-files.ts";
import { bytes, codeOf } from "./bus-contract.ts";
import { turn, VirtualTimers } from "./virtual-timers.ts";

const HOUR = SHARED_SECONDS * SECOND;

async function kept(files: RunFiles) {
  const timers = new VirtualTimers();
  const broker = new MemoryBroker(timers);
  const buckets = bucketsOfRun(broker.connect("coordinator"), "run-1");
  const host = bucketsOfRun(broker.connect("host"), "run-1");
  const other = bucketsOfRun(broker.connect("other"), "run-2");
  const told: string[] = [];
  let writes = 0;
  const counted: Buckets = {
    kv: async (...args) => {
      const kv = await buckets.kv(...args);
      // A piece, and then what names it.
      const put = (key: string, value: Uint8Array) =>
        kv.put(key, value).finally(() => (writes += 0.5));
      return { ...kv, put };
    },
  };
  const keeping = await keepFiles(counted, files, timers, (text) => told.push(text));
  return { timers, host, other, told, files: keeping, writes: () => Math.floor(writes) };
}

const grid = () => listed(new Map([["grid.yaml", bytes("a grid")]]));

test("are there for hours while somebody leads the run, and then for one", async () => {
  const given = await grid();
  const { timers, host, told, files, writes } = await kept(given);
  const [file] = given.list;
  for (let hour = 0; hour < 3; hour++) {
    const before = writes();
    await timers.advance(HOUR / 2);
    // The digest is made outside of virtual time.
    await vi.waitUntil(() => writes() > before, { interval: 1 });
    await turn();
  }
  expect(await takeFile(file!, host)).toEqual(bytes("a grid"));
  files.leave();
  await timers.advance(HOUR / 2);
  expect(await takeFile(file!, host)).toEqual(bytes("a grid"));
  await timers.advance(HOUR);
  expect(await codeOf(takeFile(file!, host))).toBe("RUN_FILE_GONE");
  expect(told).toEqual([]);
});

test("are of their run alone, and go with it", async () => {
  const given = await grid();
  const { host, other, files } = await kept(given);
  const [file] = given.list;
  expect(await codeOf(takeFile(file!, other))).toBe("RUN_FILE_GONE");
  expect(await takeFile(file!, host)).toEqual(bytes("a grid"));
  await files.drop();
  expect(await codeOf(takeFile(file!, host))).toBe("RUN_FILE_GONE");
});

test("those that are too long are not put there", async () => {
  const [file] = (await grid()).list;
  const long = { ...file!, bytes: MAX_BLOB + 1 };
  const { host } = await kept({ list: [long], contents: new Map() });
  expect(await codeOf(takeFile(long, host))).toBe("RUN_FILE_GONE");
});

test("an empty file is one", async () => {
  const given = await listed(new Map([["empty", new Uint8Array()]]));
  const { host } = await kept(given);
  expect(await takeFile(given.list[0]!, host)).toEqual(new Uint8Array());
});
