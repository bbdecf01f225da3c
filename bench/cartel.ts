/**
 * Cartel at scale in the simulator: 1,000 sites x 2,000 batches, their metadata in the distributed hash table over the
 * sites themselves. Wall time, memory, bytes by kind, and how long a question to the registry takes while nodes come
 * and go.
 *
 *   npx tsx bench/cartel.ts [--sites 1000] [--batches 2000] [--registry dht|central]
 *
 * Every site sees three classes of ten and learns a toy model whose skill on a class grows with its examples; at a
 * batch of its own a fourth class comes, which other sites have long had. Every node crashes in turn, on average once in
 * `CHURN` batches over all sites, and is back after 30. Prediction and learning cost nothing here: what is measured is
 * the machinery of the sites, the registry and the simulator.
 */

import { nodeId, siteId } from "../src/core/ids.ts";
import { createPhantomKernels } from "../src/core/kernels/phantom.ts";
import { createRandom } from "../src/core/random.ts";
import { SECOND } from "../src/core/units.ts";
import { createBetween } from "../src/sync/algorithms.ts";
import { BetweenSpec } from "../src/sync/options.ts";
import type { StreamSite } from "../src/sync/streams.ts";
import type { FaultSpec } from "../src/world/simulated/faults.ts";
import { Simulation } from "../src/world/simulated/simulation.ts";
import { ToyModel, toyDataset } from "../test/sync/cartel-toy.ts";
import { machine } from "./harness.ts";

const CLASSES = 10;
const ROWS = 16;
/** A crash somewhere every so many seconds of the world, and batches come once a second. */
const CHURN = 2;
const AWAY = 30;

const argument = (name: string, otherwise: string): string => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? otherwise : (process.argv[at + 1] ?? otherwise);
};
const SITES = Number(argument("sites", "1000"));
const BATCHES = Number(argument("batches", "2000"));
const KIND = argument("registry", "dht");

const random = createRandom(1, "bench");
const dataset = toyDataset(CLASSES, 10_000);

function streamOf(index: number): StreamSite {
  const id = siteId(`site-${index}`);
  const peer = { id: nodeId(id, "peer", 0), site: id, role: "peer", index: 0 } as const;
  const classes = random.shuffle(Array.from({ length: CLASSES }, (_, c) => c)).slice(0, 4);
  const shift = Math.floor(BATCHES * (0.2 + 0.6 * random.next()));
  const rows = new Uint32Array(BATCHES * ROWS);
  for (let i = 0; i < rows.length; i++) {
    const known = i / ROWS < shift ? 3 : 4;
    rows[i] = random.integer(1000) * CLASSES + classes[i % known]!;
  }
  const shifts = [{ batch: shift, what: `class ${classes[3]} comes`, classes: [classes[3]!] }];
  return { id, peer, stream: { rows, batchSize: ROWS, everyMicros: SECOND, shifts } };
}

const sites = Array.from({ length: SITES }, (_, i) => streamOf(i));
const faults = Array.from(
  { length: Math.floor(BATCHES / CHURN) },
  (_, i): FaultSpec => ({
    kind: "crash",
    node: sites[random.integer(SITES)]!.peer.id,
    at: 20 + i * CHURN + random.next(),
    restartAfter: AWAY,
  }),
);

const { programs, enders } = createBetween(
  BetweenSpec.parse({ kind: "cartel", registry: { kind: KIND }, reportEvery: 50 }),
).stream!({
  sites,
  dataset,
  classes: CLASSES,
  recordBytes: 8,
  createModel: () => new ToyModel(CLASSES),
  network: { bandwidth: () => 1e8, roundTripMicros: () => 80_000, presetGroups: undefined },
  random,
  observer: { attach: () => {} },
});

const queries: number[] = [];
const marks = new Map<string, number>();
let errors = 0;
let examples = 0;
const link = { bandwidth: 1e8, oneWayMicros: 40_000, egressDollarsPerGB: 0.1, wan: true };
const simulation = new Simulation({
  seed: 1,
  topology: {
    sites: sites.map(({ id }) => ({ id, name: id })),
    link: () => link,
    node: { bandwidth: 1e10, oneWayMicros: 100 },
  },
  nodes: programs.map(({ node }) => node),
  kernels: createPhantomKernels(),
  compute: {
    step: () => Promise.reject(new Error("nothing computes here")),
    judge: () => Promise.reject(new Error("nothing computes here")),
    close: () => Promise.resolve(),
  },
  processor: () => ({ kind: "fixed", microsPerBatch: 1_000 }),
  jitterMicros: 20_000,
  faults,
  onEvent: (event) => {
    if (event.type === "mark") marks.set(event.mark, (marks.get(event.mark) ?? 0) + 1);
    else if (event.type === "metric" && event.name === "cartel.querySeconds")
      queries.push(event.value);
    else if (event.type === "stream") {
      errors += event.errors;
      examples += event.examples;
    }
  },
});

const begin = performance.now();
let left = enders.length;
for (const { node, program } of programs)
  simulation.start(node.id, async (world, scope) => {
    await program(world, scope);
    if (node.role === "peer" && --left === 0) simulation.stop();
  });
const { events } = await simulation.run();
const seconds = (performance.now() - begin) / 1000;

const quantile = (values: readonly number[], part: number): number =>
  [...values].sort((a, b) => a - b)[
    Math.min(values.length - 1, Math.floor(part * values.length))
  ] ?? 0;
const bytes = new Map<string, number>();
for (const { kind, bytes: more } of simulation.traffic())
  bytes.set(kind, (bytes.get(kind) ?? 0) + more);

const lines = [
  `cartel, ${SITES} sites x ${BATCHES} batches, registry ${KIND}, a crash every ${CHURN} s   (${machine()})`,
  `  wall time        ${seconds.toFixed(1)} s, ${Math.round(events / seconds).toLocaleString("en")} events/s`,
  `  peak memory      ${(process.resourceUsage().maxRSS / 2 ** 20).toFixed(2)} GiB`,
  `  registry query   p50 ${quantile(queries, 0.5).toFixed(3)} s, p99 ${quantile(queries, 0.99).toFixed(3)} s of the world, ${queries.length} queries`,
  `  marks            ${[...marks].map(([mark, count]) => `${mark} ${count}`).join(", ")}`,
  `  error            ${((100 * errors) / examples).toFixed(2)} %`,
  ...[...bytes].map(([kind, count]) => `  ${kind.padEnd(20)} ${(count / 1e6).toFixed(2)} MB`),
];
process.stdout.write(`${lines.join("\n")}\n`);
