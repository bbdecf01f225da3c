/** The rules that end a run, and what is left when it ends. */
import { describe, expect, test } from "vitest";
import { createPlainKernels } from "../../src/core/kernels/plain.ts";
import { StopSpec } from "../../src/run/spec.ts";
import { ChangeWindow, meetsTarget } from "../../src/run/stop.ts";
import { evaluations, execute, ratings, small } from "./real.ts";

describe("rules", () => {
  const metrics = { examples: 10, loss: 0.5, accuracy: 0.9 };
  test("a target is met from the right side", () => {
    const met = (stop: object, more: object = {}): boolean =>
      meetsTarget(StopSpec.parse(stop), { ...metrics, ...more });
    expect(met({ accuracy: 0.9 })).toBe(true);
    expect(met({ accuracy: 0.91 })).toBe(false);
    expect(met({ loss: 0.5 })).toBe(true);
    expect(met({ loss: 0.49 })).toBe(false);
    expect(met({ rmse: 1 }, { rmse: 1 })).toBe(true);
    expect(met({ rmse: 1 }, { rmse: 1.01 })).toBe(false);
    expect(met({})).toBe(false);
    // A model without accuracy is not judged by it.
    expect(met({ accuracy: 0.5, loss: 0.6 }, { accuracy: undefined })).toBe(true);
  });

  test("change: |now - then| / |then| over the window, all copies together", () => {
    const window = new ChangeWindow(10, createPlainKernels());
    const at = (clock: number, a: number, b: number) =>
      window.measure({
        clock,
        snapshots: [
          { copy: "a", parameters: Float32Array.of(a, 0), owners: [] },
          { copy: "b", parameters: Float32Array.of(0, b), owners: [] },
        ],
      });
    expect(at(5, 3, 4)).toBeUndefined();
    expect(at(10, 3, 4)).toBeUndefined();
    // Since clock 5: |(3, 0)| / |(3, 4)|.
    expect(at(15, 6, 4)).toBeCloseTo(3 / 5, 6);
    // Since clock 10 (the youngest that is a window old): |(3, 3)| / |(3, 4)|.
    expect(at(20, 6, 7)).toBeCloseTo(Math.sqrt(18) / 5, 6);
    expect(at(25, 6, 4)).toBeCloseTo(0, 6);
  });
});

describe("runs", () => {
  test("maxClocks: every worker's clocks, a last judgement of the whole test set by every copy", async () => {
    const run = await execute(small({ between: { kind: "gaia" }, stop: { maxClocks: 12 } }));
    expect(run.outcome.reason).toBe("maxClocks");
    const clocks = run.events.filter((event) => event.type === "clock");
    expect(clocks).toHaveLength(6 * 12);
    const last = evaluations(run).at(-1);
    expect(last).toMatchObject({ clock: 12, final: true });
    // Shares cover the test rows once while running, all see all at the end.
    expect(evaluations(run).map(({ metrics }) => metrics.examples)).toEqual([200, 200, 600]);
    for (const site of Object.values(last?.sites ?? {})) expect(site.examples).toBe(200);
    expect(run.events.at(-1)).toMatchObject({ type: "end", reason: "maxClocks" });
    // The global model is the mean of the copies.
    const { models, global } = run.outcome;
    expect(models).toHaveLength(3);
    models[0]?.parameters.forEach((_, i) => {
      const mean = models.reduce((sum, { parameters }) => sum + parameters[i]! / 3, 0);
      expect(global?.parameters[i]).toBeCloseTo(mean, 5);
    });
  });

  test("target: ends at the first judgement that meets it, or goes on if told so", async () => {
    const stop = { accuracy: 0.5, maxClocks: 60 };
    const run = await execute(small({ stop }));
    expect(run.outcome.reason).toBe("target");
    const live = evaluations(run).filter(({ final }) => !final);
    expect(live.at(-1)?.metrics.accuracy).toBeGreaterThanOrEqual(0.5);
    for (const { metrics } of live.slice(0, -1)) expect(metrics.accuracy).toBeLessThan(0.5);
    // Nothing happens after it, and the final judgement is of the same model.
    expect(evaluations(run).at(-1)).toMatchObject({ t: live.at(-1)?.t, clock: live.at(-1)?.clock });
    expect(evaluations(run).at(-1)?.metrics).toEqual(live.at(-1)?.metrics);
    const on = await execute(small({ stop: { ...stop, atTarget: "continue" } }));
    expect(on.outcome.reason).toBe("maxClocks");
  });

  test("a target that is met at the last clock counts", async () => {
    const first = await execute(small({ stop: { accuracy: 0.5, maxClocks: 60 } }));
    const clock = evaluations(first).at(-1)?.clock as number;
    const run = await execute(small({ stop: { accuracy: 0.5, maxClocks: clock } }));
    expect(run.outcome.reason).toBe("target");
  });

  test("change", async () => {
    const stop = { change: 0.15, changeWindow: 10, maxClocks: 400 };
    const run = await execute(small({ stop }));
    expect(run.outcome.reason).toBe("change");
    const live = evaluations(run).filter(({ final }) => !final);
    expect(live.at(-1)?.change).toBeLessThan(0.15);
    for (const { change } of live.slice(0, -1)) expect(change ?? 1).toBeGreaterThanOrEqual(0.15);
  });

  test("maxSeconds: of the world's time", async () => {
    const run = await execute(small({ stop: { maxClocks: 10_000, maxSeconds: 1.5 } }));
    expect(run.outcome.reason).toBe("maxSeconds");
    const end = run.events.at(-1);
    expect(end?.t).toBeGreaterThanOrEqual(1.5e6);
    expect(end?.t).toBeLessThan(1.8e6);
  });

  test("interrupt: ends cleanly with what there is", async () => {
    for (const between of ["stretched", "gaia", "federated", "none"]) {
      const controller = new AbortController();
      const onEvent = ({ type }: { type: string }): void => {
        if (type === "evaluation") controller.abort();
      };
      const spec = small({ between: { kind: between } });
      const run = await execute(spec, { signal: controller.signal, onEvent });
      expect(run.outcome.reason).toBe("interrupted");
      expect(run.events.at(-1)).toMatchObject({ type: "end", reason: "interrupted" });
      expect(evaluations(run).at(-1)?.final).toBe(true);
    }
  });

  test("an interrupt before the start", async () => {
    const run = await execute(small(), { signal: AbortSignal.abort() });
    expect(run.outcome.reason).toBe("interrupted");
  });

  test("private factors are judged on their own users' ratings", async () => {
    for (const kind of ["stretched", "gaia", "federated"]) {
      const run = await execute(ratings({ between: { kind }, stop: { maxClocks: 40 } }));
      const [first, last] = [evaluations(run)[0], evaluations(run).at(-1)];
      // Each held-out rating once, whoever is asked, in the shares and at the end.
      expect(last?.metrics.examples).toBe(first?.metrics.examples);
      expect(last?.metrics.rmse).toBeLessThan(first?.metrics.rmse as number);
    }
  });
});
