/** Lockstep makes Gaia repeatable; and any run's log is repeatable from its seed. */
import { describe, expect, test, vi } from "vitest";
import { SimulatedWorld } from "../../src/world/simulated/world.ts";
import {
  mixed,
  randomTimes,
  runToy,
  siteName,
  type Toy,
  type ToyOutcome,
  type ToyRun,
} from "./harness.ts";
import { evaluations, execute, small } from "./real.ts";

const SEEDS = Array.from({ length: 12 }, (_, i) => i + 1);
const copy = (outcome: ToyOutcome, site: number): number[] => [
  ...(outcome.copies.get(siteName(site)) as Float32Array),
];

describe("lockstep (staleness 0, significance 0)", () => {
  const LENGTH = 33;
  const toy: Toy = {
    length: LENGTH,
    initial: (i) => (mixed(i) % 1000) / 700 - 0.6,
    gradient: ({ worker, clock, parameters, out }) => {
      for (let i = 0; i < LENGTH; i++) {
        const [a, b] = [parameters[i] as number, parameters[(7 * i + 3) % LENGTH] as number];
        out[i] = 0.3 * a + ((mixed(worker, clock, i) % 2001) / 1000 - 1) * (1 + (a * b) / 7);
      }
    },
  };
  const optimizer = {
    kind: "momentum",
    learningRate: 0.05,
    momentum: 0.8,
    schedule: { kind: "constant" },
  } as const;
  const overlays = [
    undefined,
    { groups: [[0, 1].map(siteName), [2].map(siteName), [3].map(siteName)] },
    { groups: [[0, 1].map(siteName), [2, 3].map(siteName)], routers: "multi" },
  ];
  const base = (between: ToyRun["between"], seed: number): ToyRun => ({
    toy,
    sites: 4,
    servers: 1 + (seed % 2),
    clocks: 12,
    optimizer,
    seed,
    between,
    ...randomTimes(seed),
  });

  test.each([0, 1, 2])(
    "equals one bulk-synchronous server within 1e-5, overlay %i",
    async (which) => {
      const overlay = overlays[which];
      const { copies } = await runToy(base({ kind: "stretched" }, 1));
      const single = copies.get("all") as Float32Array;
      let first: number[][] | undefined;
      for (const seed of SEEDS) {
        const between = {
          kind: "gaia",
          staleness: 0,
          significance: 0,
          ...(overlay ? { overlay } : {}),
        } as const;
        const outcome = await runToy(base(between, seed));
        const all = [0, 1, 2, 3].map((site) => copy(outcome, site));
        for (const values of all) {
          values.forEach((value, i) => {
            expect(Math.abs(value - (single[i] as number))).toBeLessThan(1e-5);
          });
        }
        // Bit for bit the same, whatever the delays, stragglers, losses and number of servers.
        // (Routers by speed depend on the links: there each seed has an overlay of its own.)
        if (which < 2) expect(all).toEqual((first ??= all));
      }
    },
  );

  test("a significance filter does not end that: equal bits under any delays", async () => {
    let first: number[][] | undefined;
    for (const seed of SEEDS) {
      const outcome = await runToy(base({ kind: "gaia", staleness: 0, significance: 0.05 }, seed));
      const all = [0, 1, 2, 3].map((site) => copy(outcome, site));
      expect(all).toEqual((first ??= all));
    }
  });

  test("what is judged at a clock does not depend on times either", async () => {
    const times = [
      { rttMs: 1, straggler: { kind: "slow", nodes: ["site-1/worker-0"], factor: 5 } },
      { rttMs: 1, straggler: { kind: "slow", nodes: ["site-2/worker-1"], factor: 5 } },
      { rttMs: 300, straggler: { kind: "none" } },
    ];
    const judged: unknown[] = [];
    for (const { rttMs, straggler } of times) {
      const run = await execute(
        small({
          between: { kind: "gaia", staleness: 0 },
          sites: { count: 3, workers: 2, rttMs, processor: { msPerBatch: 20, straggler } },
        }),
      );
      judged.push(evaluations(run).map(({ clock, metrics, sites }) => ({ clock, metrics, sites })));
    }
    expect(judged[1]).toEqual(judged[0]);
    expect(judged[2]).toEqual(judged[0]);
  });

  test("asks nobody what the network has shown, not even for a joiner; other staleness does", async () => {
    const estimate = vi.spyOn(SimulatedWorld.prototype, "estimate");
    const faults = [
      { kind: "leave", target: "s02", at: 0.2 } as const,
      { kind: "join", target: "s02", at: 0.5 } as const,
    ];
    for (const [staleness, asked] of [
      [0, false],
      ["auto", true],
    ] as const) {
      const run = base({ kind: "gaia", staleness, overlay: overlays[1] }, 1);
      const simulation = { ...run.simulation, faults };
      const { events } = await runToy({ ...run, clocks: 40, simulation });
      expect(events).toContainEqual(expect.objectContaining({ type: "fault", fault: "join" }));
      expect(estimate.mock.calls.length > 0).toBe(asked);
    }
    estimate.mockRestore();
  });

  test("a worker that crashes and restarts changes nothing", async () => {
    const between = { kind: "gaia", staleness: 0, significance: 0.05 } as const;
    const whole = await runToy(base(between, 1));
    for (const seed of SEEDS) {
      const run = base(between, seed);
      const { random } = randomTimes(seed);
      const at = 0.001 + random.next();
      const faults = [
        { kind: "crash", node: "s02/worker-1", at, restartAfter: 0.3 * random.next() } as const,
      ];
      const outcome = await runToy({ ...run, simulation: { ...run.simulation, faults } });
      for (const site of [0, 1, 2, 3]) expect(copy(outcome, site)).toEqual(copy(whole, site));
    }
  });
});

test.each(["gaia", "stretched", "none"] as const)(
  "%s: the same seed gives the same log",
  async (kind) => {
    for (const seed of [1, 2, 3]) {
      const run = (): Promise<ToyOutcome> =>
        runToy({
          toy: {
            length: 50,
            initial: (i) => i,
            gradient: ({ worker, clock, out }) => {
              for (let i = 0; i < out.length; i++) out[i] = (mixed(worker, clock, i) % 100) / 50;
            },
          },
          sites: 4,
          clocks: 30,
          seed,
          within: { consistency: "ssp", staleness: 2 },
          between: { kind },
          ...randomTimes(seed),
        });
      const [a, b] = [await run(), await run()];
      expect(a.events.length).toBeGreaterThan(200);
      expect(a.hash).toBe(b.hash);
      expect(a.copies).toEqual(b.copies);
    }
  },
);
