/** Liars that are nearer than an honest neighbour, as many as are asked at once: the next request asks the honest one. */
import { expect, test } from "vitest";
import { mean, runCartel } from "./cartel-fixtures.ts";
import { packed } from "./cartel-toy.ts";

test("who did not help makes room for the next one", async () => {
  const near = [0, 1, 2, 3];
  const run = {
    mixtures: [
      (batch: number) => (batch < 60 ? [0, 1] : [0, 1, 2]),
      () => near,
      () => near,
      () => near,
      () => [...near, 8, 9],
    ],
    model: (site: string, model: { pack: unknown }) => {
      if (/s[123]/.test(site))
        model.pack = () =>
          packed([
            [2, 0.1],
            [0, 0],
            [1, 0],
          ]);
    },
  };
  const shared = await runCartel(run);
  const alone = await runCartel({ ...run, between: { kind: "none" } });
  expect(shared.marks("s0").some((mark) => / accept s4/.test(mark))).toBe(true);
  expect(mean(shared.errors("s0"), 66, 100)).toBeLessThan(mean(alone.errors("s0"), 66, 100) - 0.02);
});
