/**
 * Throughput of the SIMD kernels against plain loops in the same run, in GB/s (bytes read and written),
 * medians. Two sizes: 16 MB arrays (4 M floats) and arrays that stay in cache (64 KB).
 *
 *   npx tsx bench/kernels.ts [--json]
 *
 * Goal: >= 3 times the plain loops for add, axpy, momentum and the significance scan.
 */
import type { Kernels } from "../src/core/kernels/contract.ts";
import { createPlainKernels } from "../src/core/kernels/plain.ts";
import { createSimdKernels } from "../src/core/kernels/simd.ts";
import { createRandom } from "../src/core/random.ts";

interface Data {
  readonly a: Float32Array;
  readonly b: Float32Array;
  readonly c: Float32Array;
  /** Updates of which about 3 % are significant at 1 %. */
  readonly updates: Float32Array;
  readonly indices: Uint32Array;
  readonly every: Uint32Array;
}

interface Operation {
  readonly name: string;
  /** Arrays' worth of bytes that one call reads and writes. */
  readonly streams: number;
  readonly run: (kernels: Kernels, data: Data) => unknown;
}

const operations: Operation[] = [
  { name: "copy", streams: 2, run: (k, d) => k.copy(d.a, d.b) },
  { name: "fill", streams: 1, run: (k, d) => k.fill(d.a, 1) },
  { name: "add", streams: 3, run: (k, d) => k.add(d.a, d.b) },
  { name: "axpy", streams: 3, run: (k, d) => k.axpy(d.a, 1e-3, d.b) },
  { name: "scale", streams: 2, run: (k, d) => k.scale(d.a, 0.999) },
  { name: "momentum", streams: 5, run: (k, d) => k.momentum(d.a, d.b, 0.01, 0.9, d.c) },
  { name: "adagrad", streams: 5, run: (k, d) => k.adagrad(d.c, d.b, 0.01, 1e-8, d.a) },
  { name: "sum of squares", streams: 1, run: (k, d) => k.sumOfSquares(d.b) },
  { name: "squared distance", streams: 2, run: (k, d) => k.squaredDistance(d.b, d.updates) },
  {
    name: "significance scan",
    streams: 2,
    run: (k, d) => k.significantRelative(d.updates, d.b, 0.01, d.every),
  },
  { name: "gather (random)", streams: 3, run: (k, d) => k.gather(d.a, d.b, d.indices) },
  { name: "scatter add (random)", streams: 4, run: (k, d) => k.scatterAdd(d.a, d.indices, d.b) },
  { name: "snapshot", streams: 2, run: (k, d) => k.snapshot(d.b) },
];

function prepare(kernels: Kernels, length: number): Data {
  const random = createRandom(1);
  const data = {
    a: kernels.allocate(length),
    b: kernels.allocate(length),
    c: kernels.allocate(length),
    updates: kernels.allocate(length),
    indices: kernels.allocateIndices(length),
    every: kernels.allocateIndices(length),
  };
  for (let i = 0; i < length; i++) {
    data.a[i] = random.next();
    data.b[i] = 1 + random.next();
    data.c[i] = random.next();
    data.updates[i] = random.integer(100) < 3 ? 0.05 : 0.001;
    data.indices[i] = random.integer(length);
  }
  return data;
}

/** Median GB/s of one operation. */
function measure(kernels: Kernels, data: Data, { run, streams }: Operation): number {
  const bytes = streams * data.a.byteLength;
  const repeats = Math.max(1, Math.floor(4e6 / bytes));
  const times: number[] = [];
  const until = performance.now() + 400;
  while (times.length < 7 || performance.now() < until) {
    const start = performance.now();
    for (let i = 0; i < repeats; i++) run(kernels, data);
    times.push((performance.now() - start) / repeats);
  }
  times.sort((x, y) => x - y);
  return bytes / 1e6 / times[Math.floor(times.length / 2)]!;
}

const rows = [4 * 2 ** 20, 16 * 1024].flatMap((length) => {
  const [plain, simd] = [createPlainKernels(), createSimdKernels()];
  const [slow, fast] = [prepare(plain, length), prepare(simd, length)];
  return operations.map((operation) => {
    const plainRate = measure(plain, slow, operation);
    const simdRate = measure(simd, fast, operation);
    return {
      operation: operation.name,
      arrayBytes: length * 4,
      plainGBps: Number(plainRate.toFixed(2)),
      simdGBps: Number(simdRate.toFixed(2)),
      ratio: Number((simdRate / plainRate).toFixed(1)),
    };
  });
});

if (process.argv.includes("--json")) console.log(JSON.stringify(rows));
else console.table(rows);
