/**
 * Whole runs in a plain Node process where clocks, dice, timers and sockets are stubbed to throw, whoever
 * calls them: what neither lint nor a scan of the sources can see. Needs `npm run build` before.
 */
import { execFileSync } from "node:child_process";
import { expect, test } from "vitest";
import { ROOT } from "./source.ts";

/** The event loop looks at `performance` and yields with `setImmediate`; both are the world's own. */
const PROGRAM = `
import { createHash } from "node:crypto";
import { executeRun, RunSpec } from "pangaea";

const refuse = (name) => () => { throw new Error(name + " was called"); };
const base = {
  version: 1, name: "stubbed", batch: 8, seed: 5,
  data: { kind: "digits", rows: 400, testRows: 100 },
  model: { kind: "sequential", layers: ["flatten", { dense: 10 }] },
  optimizer: { kind: "momentum", learningRate: 0.05 },
  sites: { count: 3, bandwidthMbps: 20, rttMs: 50, workers: 2, processor: { straggler: { kind: "lognormal", sigma: 0.5 } } },
  network: { jitterMs: 5, loss: 0.01 },
  faults: [{ kind: "delay", at: 0.1, for: 0.2, extraMs: 40 }],
  policy: { default: { records: "may-move" } },
  stop: { maxClocks: 12 }, evaluate: { every: 4 },
};
const load = async (spec, threads) => {
  const hash = createHash("sha256");
  let events = 0;
  const outcome = await executeRun(RunSpec.parse(spec), {
    roots: [], exists: async () => false, readFile: async () => { throw new Error("no files"); },
    threads, signal: new AbortController().signal,
    onEvent: (event) => { events++; hash.update(JSON.stringify(event)); },
  });
  for (const { parameters } of outcome.models) hash.update(new Uint8Array(Float32Array.from(parameters).buffer));
  return { events, hash: hash.digest("hex") };
};
await load({ ...base, between: { kind: "none" } }, 0);
Math.random = refuse("Math.random");
Date.now = refuse("Date.now");
globalThis.Date = new Proxy(Date, { construct: refuse("new Date"), apply: refuse("Date") });
for (const name of ["setTimeout", "setInterval", "fetch", "queueMicrotask"]) globalThis[name] = refuse(name);
Object.defineProperty(globalThis, "crypto", { get: refuse("crypto") });

const found = {};
for (const kind of ["stretched", "none", "centralize", "federated", "gaia"]) {
  const spec = { ...base, between: { kind }, within: { kind: "parameter-server", consistency: kind === "gaia" ? "ssp" : "bsp" } };
  found[kind] = [await load(spec, 0), await load(spec, 0)];
}
console.log(JSON.stringify(found));
process.exit(0);
`;

test("runs need no clock, dice, timer or socket of the machine, and repeat byte by byte", () => {
  const flags = ["--input-type=module", "-e", PROGRAM];
  const output = execFileSync(process.execPath, flags, { cwd: ROOT, encoding: "utf8" });
  const found = JSON.parse(output) as Record<string, { events: number; hash: string }[]>;
  expect(Object.keys(found)).toHaveLength(5);
  for (const [kind, [once, twice]] of Object.entries(found)) {
    expect(once?.events, kind).toBeGreaterThan(50);
    expect(twice, kind).toEqual(once);
  }
  const hashes = Object.values(found).map(([once]) => once?.hash);
  expect(new Set(hashes).size).toBe(hashes.length);
}, 120_000);
