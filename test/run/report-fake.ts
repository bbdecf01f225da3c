/** A made-up run: plausible events in a plausible order, decided by a seed. For tests of what reads events. */
import type { RunEvent } from "../../src/core/events.ts";
import { nodeId, siteId } from "../../src/core/ids.ts";
import { createRandom } from "../../src/core/random.ts";
import type { RunSpec } from "../../src/run/spec.ts";

export const REGIONS = [
  "virginia",
  "california",
  "oregon",
  "ireland",
  "frankfurt",
  "tokyo",
  "seoul",
  "singapore",
  "sydney",
  "mumbai",
  "sao-paulo",
];

export interface FakeOptions {
  readonly sites?: readonly string[];
  readonly clocks?: number;
  /** Seconds a clock takes. */
  readonly pace?: number;
  readonly bytesPerClock?: number;
  readonly significance?: boolean;
  readonly stopAtTarget?: boolean;
}

export function* fakeRun(spec: RunSpec, options: FakeOptions = {}): Generator<RunEvent> {
  const names = options.sites ?? REGIONS;
  const lan = spec.sites.network === "lan";
  const pace = options.pace ?? (lan ? 0.03 : spec.between.kind === "stretched" ? 0.5 : 0.035);
  const sent = options.bytesPerClock ?? (spec.between.kind === "stretched" ? 900_000 : 40_000);
  const random = createRandom(spec.seed, spec.name + spec.between.kind + spec.sites.network);
  const clocks = options.clocks ?? 300;
  const sites = names.map((name) => ({ id: siteId(name), name }));
  let t = 0;
  yield {
    type: "run",
    t,
    name: spec.name,
    spec,
    sites,
    parameters: 235_146,
    workers: names.length * 2,
  };
  if (spec.data.kind === "digits") {
    yield { type: "note", t, text: "No MNIST found: digits drawn by Pangaea stand in for it." };
  }
  const judge = (clock: number): { loss: number; accuracy: number; examples: number } => {
    const accuracy = 0.985 - 0.885 * Math.exp(-clock / 60) + (random.next() - 0.5) * 0.004;
    return { examples: 2000, loss: 2.3 * Math.exp(-clock / 50) + 0.06, accuracy };
  };
  let reached = false;
  let clock = 0;
  for (clock = 1; clock <= clocks && !reached; clock++) {
    t += Math.round(pace * 1e6 * (0.9 + 0.2 * random.next()));
    for (const [i, site] of sites.entries()) {
      for (let w = 0; w < 2; w++) {
        const computeMicros = 25_000;
        const waitMicros = Math.max(0, Math.round(pace * 1e6) - computeMicros);
        const loss = 2.3 * Math.exp(-clock / 50) + 0.1 * random.next();
        const waitedFor = waitMicros > 100_000 ? [names[(i + 3) % names.length]!] : [];
        const node = nodeId(site.id, "worker", w);
        const common = { type: "clock" as const, t, node, site: site.id, clock, loss };
        yield { ...common, examples: 32, computeMicros, waitMicros, waitedFor };
      }
      for (const [j, to] of sites.entries()) {
        const bytes =
          i === j ? sent * 2 : Math.round((sent / names.length) * (1 + ((i * 7 + j * 3) % 5)));
        const wan = i !== j && !lan;
        const dollars = wan ? (bytes / 1e9) * 0.09 : 0;
        const kind = i === j ? "push" : "update";
        yield {
          type: "traffic",
          t,
          from: site.id,
          to: to.id,
          kind,
          bytes,
          messages: 4,
          wan,
          dollars,
        };
      }
      if (options.significance ?? spec.between.kind === "gaia") {
        const value = 0.04 * random.next();
        yield { type: "metric", t, name: "gaia.significantFraction", value, site: site.id };
      }
    }
    if (clock % spec.evaluate.every === 0) {
      const metrics = judge(clock);
      yield { type: "evaluation", t, clock, metrics };
      reached =
        (options.stopAtTarget ?? true) &&
        metrics.accuracy >= (spec.stop.accuracy ?? Number.POSITIVE_INFINITY);
    }
  }
  const metrics = judge(clock);
  const each = Object.fromEntries(
    names.map((name) => [name, { ...metrics, accuracy: metrics.accuracy }]),
  );
  yield { type: "evaluation", t, clock, metrics, sites: each, final: true };
  const declared = { bandwidth: 1e8, roundTripMicros: 80_000 };
  const [from, to] = sites.map((site) => site.id);
  if (from && to) {
    yield { type: "link", t, from, to, goodput: 4e7, roundTripMicros: 81_000, declared };
    yield { type: "link", t, from: to, to: from, roundTripMicros: 81_000, declared };
  }
  yield { type: "end", t, reason: reached ? "target" : "maxClocks" };
}
