/** What a domain's own optimizer counts where several domains add up to one copy. */
import { describe, expect, it } from "vitest";
import type { OptimizerSpec } from "../../src/optimize/spec.ts";
import { runToy, siteName, type Toy } from "./harness.ts";

const SITES = 4;
const RATE = 0.5;

/** Every worker's gradient is 1 everywhere. */
const toy: Toy = { length: 3, initial: () => 10, gradient: ({ out }) => out.fill(1) };

/** How far one lockstep clock of Gaia over four equal sites moves each copy. */
async function moved(optimizer: OptimizerSpec): Promise<number[]> {
  const { copies } = await runToy({
    toy,
    sites: SITES,
    clocks: 1,
    optimizer,
    between: { kind: "gaia", significance: 0, staleness: 0, schedule: { kind: "constant" } },
  });
  return Array.from({ length: SITES }, (_, s) => 10 - (copies.get(siteName(s))?.[0] ?? 0));
}

const common = { learningRate: RATE, schedule: { kind: "constant" } } as const;

describe("several domains add up to one copy", () => {
  it("linear rules: exactly as one optimizer on everybody's mean gradient", async () => {
    for (const optimizer of [
      { kind: "sgd", ...common },
      { kind: "momentum", momentum: 0.9, ...common },
    ] as const) {
      for (const step of await moved(optimizer)) expect(step).toBeCloseTo(RATE, 6);
    }
  });

  it("adaptive rules: the square-root rule (Malladi et al., NeurIPS 2022)", async () => {
    // AdaGrad's first step is the rate, whatever the gradient's size: four sites of rate / sqrt(4) each.
    const optimizer = { kind: "adagrad", epsilon: 1e-12, ...common } as const;
    for (const step of await moved(optimizer)) {
      expect(step).toBeCloseTo((SITES * RATE) / Math.sqrt(SITES), 5);
    }
  });
});
