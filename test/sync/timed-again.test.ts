/** A run whose arithmetic is known is timed again: the same as if it had been computed anew. */
import { describe, expect, test } from "vitest";
import { newShared } from "../../src/run/execute.ts";
import { arithmeticKey } from "../../src/run/recording.ts";
import type { RunSpec } from "../../src/run/spec.ts";
import { type Executed, execute, ratings, small } from "./real.ts";

const lan = { count: 3, workers: 2, network: "lan" };
const wan = {
  count: 3,
  workers: 2,
  servers: 2,
  bandwidthMbps: 5,
  rttMs: 200,
  processor: { gflops: 1, straggler: { kind: "lognormal", sigma: 0.7 } },
};

/** All but the note that says so. */
const logOf = ({ events }: Executed): string[] =>
  events
    .filter((event) => event.type !== "note" || !event.text.includes("timed again"))
    .map((event) => JSON.stringify(event));

const timedAgain = ({ events }: Executed): boolean =>
  events.some((event) => event.type === "note" && event.text.includes("timed again"));

async function expectSame(first: RunSpec, second: RunSpec, replayed = true): Promise<Executed> {
  const shared = newShared();
  await execute(first, { shared });
  const again = await execute(second, { shared });
  const anew = await execute(second);
  expect(timedAgain(again)).toBe(replayed);
  expect(logOf(again)).toEqual(logOf(anew));
  expect(again.outcome).toEqual(anew.outcome);
  return again;
}

describe("the log, evaluations and the model are those of a run that computes", () => {
  test("softmax over other links, servers and stragglers", async () => {
    const again = await expectSame(small({ sites: lan }), small({ sites: wan }));
    expect(again.outcome.reason).toBe("maxClocks");
  });

  test("momentum, to a target", async () => {
    const optimizer = { kind: "momentum", learningRate: 0.1 };
    const stop = { accuracy: 0.6, maxClocks: 300 };
    const again = await expectSame(
      small({ sites: lan, optimizer, stop }),
      small({ sites: wan, optimizer, stop }),
    );
    expect(again.outcome.reason).toBe("target");
  });

  test("until the model changes little", async () => {
    const stop = { change: 0.1, changeWindow: 10, maxClocks: 300 };
    const again = await expectSame(small({ sites: lan, stop }), small({ sites: wan, stop }));
    expect(again.outcome.reason).toBe("change");
  });

  test("factorisation: sparse pulls, private factors", async () => {
    await expectSame(ratings({ sites: lan }), ratings({ sites: wan }));
  });

  test("a limit on the world's seconds, shorter or longer than the recorded run", async () => {
    const limited = (maxSeconds: number): object => ({ stop: { maxClocks: 30, maxSeconds } });
    const short = small({ sites: wan, ...limited(3) });
    const full = small({ sites: lan });
    const a = await expectSame(full, short, false);
    expect(a.outcome.reason).toBe("maxSeconds");
    const b = await expectSame(short, full, false);
    expect(b.outcome.reason).toBe("maxClocks");
  });
});

test("a run that was interrupted is no recording for others", async () => {
  const shared = newShared();
  const controller = new AbortController();
  const onEvent = ({ type }: { type: string }): void => {
    if (type === "evaluation") controller.abort();
  };
  const first = await execute(small({ sites: wan }), {
    shared,
    signal: controller.signal,
    onEvent,
  });
  expect(first.outcome.reason).toBe("interrupted");
  const second = await execute(small({ sites: lan }), { shared });
  expect(timedAgain(second)).toBe(false);
  expect(second.outcome.reason).toBe("maxClocks");
});

test("interrupting a run that is timed again shows what it had reached, not the end", async () => {
  const shared = newShared();
  const whole = await execute(small({ sites: lan }), { shared });
  const controller = new AbortController();
  const onEvent = (event: { type: string; clock?: number }): void => {
    if (event.type === "evaluation" && event.clock === 10) controller.abort();
  };
  const cut = await execute(small({ sites: wan }), { shared, signal: controller.signal, onEvent });
  expect(timedAgain(cut)).toBe(true);
  expect(cut.outcome.reason).toBe("interrupted");
  const last = cut.events.findLast((event) => event.type === "evaluation");
  const then = whole.events.find((event) => event.type === "evaluation" && event.clock === 10);
  expect(last).toMatchObject({ clock: 10, final: true });
  expect((last as { metrics: unknown }).metrics).toEqual((then as { metrics: unknown }).metrics);
  // The parameters were never computed.
  expect(cut.outcome.global).toBeUndefined();
  expect(cut.outcome.models).toEqual([]);
});

test("only what does not depend on time is recorded", () => {
  const key = (more: Record<string, unknown>): string | undefined =>
    arithmeticKey(small(more), ["a", "b"]);
  expect(key({})).toBeDefined();
  expect(key({ sites: wan })).toBe(key({ sites: lan }));
  expect(key({ seed: 2 })).not.toBe(key({}));
  expect(key({ batch: 17 })).not.toBe(key({}));
  expect(key({ optimizer: { kind: "sgd", learningRate: 0.3 } })).not.toBe(key({}));
  expect(key({ stop: { maxClocks: 31 } })).not.toBe(key({}));
  const within = (consistency: string): object => ({ kind: "parameter-server", consistency });
  expect(key({ within: within("ssp") })).toBeUndefined();
  expect(key({ within: within("tap") })).toBeUndefined();
  expect(key({ between: { kind: "gaia" } })).toBeUndefined();
  expect(key({ between: { kind: "gaia", staleness: 0 } })).toBeUndefined();
  expect(key({ stop: { maxSeconds: 5 } })).toBeUndefined();
});
