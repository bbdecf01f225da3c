/**
 * Gaia loses nothing and applies nothing twice (Hsieh et al., NSDI'17, section 3.2: insignificant updates are
 * accumulated, never dropped). Updates are whole numbers, so the books must balance exactly, for every mirror:
 *
 *   made at the other sites = applied here + waiting in channels on the way + residual at the makers
 */
import { describe, expect, test } from "vitest";
import { createOverlay, type Overlay } from "../../src/sync/between/gaia/overlay.ts";
import { GaiaShard } from "../../src/sync/between/gaia/shard.ts";
import type { ShardContext } from "../../src/sync/contract.ts";
import { siteOf } from "../../src/sync/contract.ts";
import {
  mixed,
  randomTimes,
  runToy,
  siteName,
  type Toy,
  type ToyOutcome,
  type ToyRun,
  topologyOf,
} from "./harness.ts";

const LENGTH = 60;

/** Sums of whole numbers, by site and shard. */
class Books {
  readonly #sums = new Map<string, Float64Array>();

  of(name: string): Float64Array {
    let sums = this.#sums.get(name);
    if (!sums) this.#sums.set(name, (sums = new Float64Array(LENGTH)));
    return sums;
  }

  add(name: string, at: ShardContext, update: Float32Array, indices?: Uint32Array): void {
    const sums = this.of(name);
    const { start } = at.owner.range;
    update.forEach((value, k) => {
      sums[start + (indices ? (indices[k] as number) : k)]! += value;
    });
  }
}

interface Case {
  readonly options: Record<string, unknown>;
  readonly run?: Partial<ToyRun>;
}

/** Whole numbers between -9 and 9, mostly 0; a few parameters move much more than others. */
function made(work: { worker: number; clock: number }, workers: number, i: number): number {
  const draw = mixed(work.worker, work.clock, i);
  if (draw % 3 !== 0) return 0;
  const size = i % 10 === 0 ? 1000 : 1;
  return workers * size * ((draw % 19) - 9);
}

async function keepBooks({ options, run = {} }: Case, seed: number) {
  const sites = run.sites ?? 4;
  const perSite = 2;
  // A power of two: dividing by it is exact.
  const workers = sites * perSite;
  const books = new Books();
  /** Batches of several rows stand for sparse working sets. */
  const sparse = (run.batch ?? 1) > 1;
  const workingSet = (rows: Uint32Array): Uint32Array =>
    Uint32Array.from({ length: LENGTH }, (_, i) => i).filter((i) =>
      rows.some((row) => mixed(row, i) % 4 === 0),
    );
  const toy: Toy = {
    length: LENGTH,
    initial: (i) => (i % 4 === 0 ? 0 : 500),
    ...(sparse ? { workingSet } : {}),
    gradient: (work) => {
      const set = sparse ? workingSet(work.rows) : Uint32Array.from(work.out, (_, i) => i);
      set.forEach((i, k) => {
        work.out[k] = made(work, workers, i);
      });
    },
  };
  const full: ToyRun = {
    toy,
    sites,
    workers: perSite,
    servers: 1 + (seed % 2),
    clocks: 14,
    seed,
    drainMicros: 3600e6,
    between: { kind: "gaia", ...options },
    ...randomTimes(seed),
    ...run,
    spy: {
      applied: (at, delta, indices) => books.add(`made ${at.domain.id}`, at, delta, indices),
      added: (at, update, indices) => books.add(`applied ${at.domain.id}`, at, update, indices),
    },
  };
  return { outcome: await runToy(full), books, full };
}

/** What still waits in channels, by sender, receiver and group. */
function waitingBooks(outcome: ToyOutcome): Books {
  const waiting = new Books();
  for (const { context, between } of outcome.shards) {
    if (!(between instanceof GaiaShard)) throw new Error("a shard of Gaia");
    books(waiting, `residual ${context.domain.id}`, context, between.residual);
    for (const channel of between.channels) {
      const { indices, values } = channel.waiting();
      const name = `${context.domain.id} ${siteOf(channel.to)} ${channel.group}`;
      waiting.add(name, context, values, indices);
    }
  }
  return waiting;
}

const books = (into: Books, name: string, at: ShardContext, values: Float32Array): void =>
  into.add(name, at, values);

/** For every mirror: what the others made is applied here, waits somewhere on the way, or is residual. */
function expectBalance(outcome: ToyOutcome, kept: Books, overlay: Overlay): void {
  const waits = waitingBooks(outcome);
  const { domains } = outcome.deployment;
  const groupOf = (id: string): number => overlay.groupOf.get(id as never) ?? 0;
  for (const here of domains) {
    const mine = groupOf(here.id);
    const sum = Float64Array.from(kept.of(`applied ${here.id}`));
    const plus = (name: string): void => {
      const values = waits.of(name);
      for (let i = 0; i < LENGTH; i++) sum[i]! += values[i]!;
    };
    const expected = new Float64Array(LENGTH);
    for (const there of domains) {
      if (there === here) continue;
      const all = kept.of(`made ${there.id}`);
      for (let i = 0; i < LENGTH; i++) expected[i]! += all[i]!;
      plus(`residual ${there.id}`);
      const group = groupOf(there.id);
      const gate = group === mine ? here.id : overlay.router(group, mine);
      if (there.id !== gate) plus(`${there.id} ${gate} ${group}`);
    }
    overlay.groups.forEach((_, group) => {
      if (group === mine) return;
      const [out, into] = [overlay.router(group, mine), overlay.router(mine, group)];
      plus(`${out} ${into} ${group}`);
      if (into !== here.id) plus(`${into} ${here.id} ${group}`);
    });
    expect([...sum]).toEqual([...expected]);
    // And the copy is what it began with, plus what was made and applied here.
    const copy = outcome.copies.get(here.id) as Float32Array;
    const own = kept.of(`made ${here.id}`);
    const applied = kept.of(`applied ${here.id}`);
    for (let i = 0; i < LENGTH; i++) {
      expect(copy[i]).toBe((i % 4 === 0 ? 0 : 500) + own[i]! + applied[i]!);
    }
  }
}

function overlayOf(run: ToyRun): Overlay {
  const { sites } = topologyOf(run);
  const index = (id: string): number => sites.findIndex((site) => site.id === id);
  const { link } = topologyOf(run);
  const facts = {
    bandwidth: (a: string, b: string) => link(index(a), index(b)).bandwidth,
    roundTripMicros: (a: string, b: string) =>
      link(index(a), index(b)).oneWayMicros + link(index(b), index(a)).oneWayMicros,
    presetGroups: undefined,
  };
  const plans = sites.map(({ id }) => ({ id, workers: [], servers: [], examples: 0 }));
  const { overlay } = run.between as { overlay?: never };
  return createOverlay(plans, facts, overlay);
}

const SEEDS = Array.from({ length: 12 }, (_, i) => i + 1);
const names = (...sites: number[]): string[] => sites.map(siteName);
const hubs = { groups: [names(0, 1, 2), names(3, 4), names(5), names(6, 7)] };
/** Links on which a batch takes longer than a clock: what waits is merged and announced. */
const congested: Partial<ToyRun> = {
  link: () => ({ bandwidth: 20_000, oneWayMicros: 30_000 }),
};

const cases: (Case & { name: string })[] = [
  { name: "by default", options: {} },
  { name: "everything significant", options: { significance: 0 } },
  { name: "nothing significant", options: { significance: 1e9, schedule: { kind: "constant" } } },
  { name: "absolute threshold", options: { measure: "absolute", significance: 40 } },
  { name: "flush every 5 clocks", options: { significance: 0.5, flushEvery: 5 } },
  { name: "lockstep", options: { staleness: 0 } },
  { name: "a fixed staleness", options: { staleness: 3 } },
  { name: "congested links", options: { significance: 0 }, run: congested },
  { name: "congested, no barrier", options: { significance: 0, barrier: false }, run: congested },
  { name: "ssp within", options: {}, run: { within: { consistency: "ssp", staleness: 2 } } },
  { name: "tap within", options: {}, run: { within: { consistency: "tap" } } },
  {
    name: "a worker that crashes",
    options: {},
    run: {
      simulation: {
        jitterMicros: 20_000,
        faults: [
          { kind: "crash", node: "s01/worker-0", at: 0.05, restartAfter: 0.2 },
          { kind: "crash", node: "s02/worker-1", at: 0.4, restartAfter: 0.01 },
        ],
      },
    },
  },
  {
    name: "a partition",
    options: { overlay: hubs },
    run: {
      sites: 8,
      simulation: { faults: [{ kind: "partition", a: "s00", b: "s03", at: 0.1, for: 2 }] },
    },
  },
  { name: "sparse working sets", options: { significance: 0.02 }, run: { batch: 3 } },
  {
    name: "sparse working sets over congested links",
    options: { significance: 0, overlay: hubs },
    run: { sites: 8, batch: 3, ...congested },
  },
  { name: "hubs", options: { overlay: hubs }, run: { sites: 8 } },
  { name: "hubs in lockstep", options: { overlay: hubs, staleness: 0 }, run: { sites: 8 } },
  {
    name: "hubs over congested links",
    options: { overlay: hubs, significance: 0 },
    run: { sites: 8, ...congested },
  },
  { name: "multi", options: { overlay: { ...hubs, routers: "multi" } }, run: { sites: 8 } },
  {
    name: "multi in lockstep",
    options: { overlay: { ...hubs, routers: "multi" }, staleness: 0 },
    run: { sites: 8 },
  },
  {
    name: "multi over congested links",
    options: { overlay: { ...hubs, routers: "multi" }, significance: 0 },
    run: { sites: 8, ...congested },
  },
  { name: "groups by speed", options: { overlay: { groups: "auto" } }, run: { sites: 8 } },
];

describe("the books balance", () => {
  test.each(cases)("$name", async (which) => {
    for (const seed of SEEDS) {
      const { outcome, books: kept, full } = await keepBooks(which, seed);
      expectBalance(outcome, kept, overlayOf(full));
      const announced = outcome.traffic.some(({ kind }) => kind === "gaia.indexes");
      if (which.run?.link) expect(announced).toBe(which.options["barrier"] !== false);
    }
  });
});
