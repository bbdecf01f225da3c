/**
 * Nodes that leave and join in mid-run, at random and at the worst moments: nobody waits for ever, no update of a site that
 * stays is lost or comes twice, and a clock's mean is that of those who took part in it.
 */
import { describe, expect, test } from "vitest";
import { createRandom } from "../../src/core/random.ts";
import { siteOf } from "../../src/sync/contract.ts";
import type { FaultSpec } from "../../src/world/simulated/faults.ts";
import {
  randomTimes,
  runToy,
  siteName,
  type Toy,
  type ToyOutcome,
  type ToyRun,
} from "./harness.ts";
import { expectNothingLost, ownElements, randomMembers } from "./members.ts";

const SEEDS = Array.from({ length: 5 }, (_, i) => i + 1);
const names = (...sites: number[]): string[] => sites.map(siteName);
const hubs = { groups: [names(0, 1), names(2, 3)] };

/** Without those who cannot be done without a run ends: that is one of the ends that are right. */
async function unlessLost(run: ToyRun): Promise<ToyOutcome | undefined> {
  try {
    return await runToy(run);
  } catch (error) {
    if ((error as { code?: string }).code !== "MEMBER_LOST") throw error;
    return undefined;
  }
}

function randomRun(
  seed: number,
  faults: readonly FaultSpec[],
): Pick<ToyRun, "link" | "processor" | "simulation" | "seed"> {
  const times = randomTimes(seed);
  // News that take longer than messages, and news that do not.
  const newsMicros = seed % 2 === 0 ? 20_000 : 300_000;
  return { ...times, seed, simulation: { ...times.simulation, faults, newsMicros } };
}

const leftOf = ({ changes }: ToyOutcome): ReadonlySet<string> =>
  new Set(
    changes.flatMap(({ node, present }) =>
      present || !node.includes("/server-") ? [] : [siteOf(node)],
    ),
  );

describe("one parameter server a domain", () => {
  const one: Toy = { length: 8, gradient: (work) => work.out.fill(-1) };

  test.each(["stretched", "none", "federated"] as const)("%s: every run ends", async (kind) => {
    for (const consistency of ["bsp", "ssp", "tap"] as const)
      for (const seed of SEEDS) {
        const shape = { sites: 4, workers: 3 };
        const faults = randomMembers(createRandom(seed, kind), shape, {
          count: 8,
          seconds: 1,
          stay: kind === "federated" ? names(0) : [],
          workersOnly: kind === "stretched",
        });
        const options = kind === "federated" ? { fraction: 0.7, coordinator: "s00" } : {};
        const outcome = await unlessLost({
          toy: one,
          ...shape,
          servers: 1 + (seed % 2),
          clocks: 40,
          between: { kind, ...options },
          within: { consistency, staleness: 2 },
          ...randomRun(seed, faults),
        });
        if (!outcome || consistency !== "bsp" || kind === "federated") continue;
        // Everybody's gradient is -1: after c clocks the values are c, whoever took part in each.
        for (const [copy, values] of outcome.copies) {
          const clocks = outcome.reached.filter((one) => one.copy === copy).map((r) => r.clock);
          const clock = Math.max(0, ...clocks);
          for (const value of values) expect(Math.abs(value - clock)).toBeLessThan(1e-3);
        }
      }
  });
});

describe("gaia", () => {
  const congested = (): { bandwidth: number; oneWayMicros: number } => ({
    bandwidth: 20_000,
    oneWayMicros: 30_000,
  });
  const cases: readonly {
    readonly name: string;
    readonly options: object;
    readonly run?: Partial<ToyRun>;
  }[] = [
    { name: "by default", options: {} },
    { name: "everything significant", options: { significance: 0 } },
    { name: "a fixed staleness", options: { significance: 0, staleness: 2 } },
    { name: "lockstep", options: { significance: 0, staleness: 0 } },
    { name: "congested links", options: { significance: 0 }, run: { link: congested } },
    { name: "hubs", options: { significance: 0, overlay: hubs } },
    { name: "a router a pair", options: { overlay: { ...hubs, routers: "multi" } } },
    { name: "hubs in lockstep", options: { significance: 0, staleness: 0, overlay: hubs } },
    {
      name: "hubs over congested links",
      options: { significance: 0, overlay: hubs },
      run: { link: congested },
    },
  ];

  test.each(cases)("$name: nothing is lost, nothing comes twice", async ({ options, run = {} }) => {
    let compared = 0;
    for (const consistency of ["bsp", "ssp"] as const)
      for (const seed of SEEDS) {
        const shape = { sites: 4, workers: 2 };
        const random = createRandom(seed, "members");
        const faults = randomMembers(random, shape, { count: 8, seconds: 0.8 });
        const outcome = await unlessLost({
          toy: ownElements(shape.sites, shape.workers),
          ...shape,
          servers: 1 + (seed % 2),
          clocks: 60,
          drainMicros: 600e6,
          between: { kind: "gaia", ...options },
          within: { consistency, staleness: 2 },
          ...randomRun(seed, faults),
          ...run,
        });
        if (outcome?.drained) compared += expectNothingLost(outcome, leftOf(outcome));
      }
    expect(compared).toBeGreaterThan(20);
  });

  const scenario = (
    faults: readonly FaultSpec[],
    more: Partial<ToyRun> = {},
  ): Promise<ToyOutcome> =>
    runToy({
      toy: ownElements(4, 2),
      sites: 4,
      workers: 2,
      servers: 2,
      clocks: 60,
      drainMicros: 600e6,
      between: { kind: "gaia", significance: 0 },
      ...more,
      simulation: { faults, newsMicros: 100_000 },
    });
  const leave = (target: string, at: number): FaultSpec => ({ kind: "leave", target, at });
  const join = (target: string, at: number): FaultSpec => ({ kind: "join", target, at });
  const overlay = { kind: "gaia", significance: 0, overlay: hubs } as const;
  const worst: readonly [string, readonly FaultSpec[], Partial<ToyRun>][] = [
    ["a hub", [leave("s02", 0.2)], { between: overlay }],
    ["a hub that comes back", [leave("s00", 0.2), join("s00", 0.3)], { between: overlay }],
    ["both hubs at once", [leave("s00", 0.2), leave("s02", 0.2)], { between: overlay }],
    [
      "a whole group, and back",
      [leave("s02", 0.1), leave("s03", 0.1), join("s03", 0.2)],
      { between: overlay },
    ],
    ["a late joiner", [join("s01", 0.25)], {}],
    ["two joiners at once", [join("s01", 0.2), join("s02", 0.2)], {}],
    ["the giver of a copy, while it gives", [join("s01", 0.2), leave("s00", 0.25)], {}],
    ["a joiner, while it joins", [join("s01", 0.2), leave("s01", 0.25), join("s01", 0.3)], {}],
    ["a server alone takes its site along", [leave("s03/server-1", 0.2)], {}],
    ["a worker of each site", names(0, 1, 2, 3).map((site) => leave(`${site}/worker-1`, 0.2)), {}],
  ];

  test.each(worst)("%s", async (_, faults, more) => {
    const outcome = await scenario(faults, more);
    expect(outcome.drained).toBe(true);
    expect(expectNothingLost(outcome, leftOf(outcome))).toBeGreaterThan(0);
    expect((await scenario(faults, more)).hash).toBe(outcome.hash);
  });

  test("in lockstep a joiner enters at one boundary for all: the copies end alike", async () => {
    const outcome = await scenario([join("s01", 0.2), leave("s03/worker-0", 0.3)], {
      between: { kind: "gaia", significance: 0, staleness: 0 },
    });
    const [first, ...others] = [...outcome.copies.values()];
    for (const copy of others) expect(copy).toEqual(first);
  });

  test("without the last site a run cannot go on", async () => {
    const faults = names(0, 1, 2, 3).map((site, i) => leave(site, 0.1 * (i + 1)));
    await expect(scenario(faults)).rejects.toMatchObject({ code: "MEMBER_LOST" });
  });
});
