/** Of neighbours that are as good as each other the nearest is asked first: by what was measured, else as declared. */
import { afterEach, expect, test, vi } from "vitest";
import type { Micros } from "../../src/core/units.ts";
import { SimulatedWorld } from "../../src/world/simulated/world.ts";
import { runCartel } from "./cartel-fixtures.ts";

afterEach(() => vi.restoreAllMocks());

/** Whom s0 asks first when a class comes that s1 and s2 know; all are declared to be 80 ms away. */
async function firstAsked(measured: Readonly<Record<string, Micros>>): Promise<string | undefined> {
  vi.spyOn(SimulatedWorld.prototype, "estimate").mockImplementation((to) => ({
    goodput: undefined,
    roundTripMicros: measured[to.replace(/\/.*/, "")],
  }));
  // So coarse that all scores are alike.
  const { marks } = await runCartel({ between: { kind: "cartel", neighbours: { tie: 100 } } });
  return marks("s0")
    .find((mark) => / (accept|reject) s/.test(mark))
    ?.match(/s\d/)?.[0];
}

test("the one that was measured to be nearer", async () => {
  expect(await firstAsked({ s1: 100_000, s2: 20_000 })).toBe("s2");
  expect(await firstAsked({ s1: 20_000, s2: 100_000 })).toBe("s1");
});

test("one that was not measured is as far as it is declared to be", async () => {
  expect(await firstAsked({ s1: 90_000 })).toBe("s2");
  expect(await firstAsked({ s2: 90_000 })).toBe("s1");
});

test("less than a millisecond is no difference: the price decides, then the score", async () => {
  const alike = await firstAsked({});
  expect(await firstAsked({ s1: 80_300, s2: 80_100 })).toBe(alike);
  expect(await firstAsked({ s1: 80_100, s2: 80_300 })).toBe(alike);
});
