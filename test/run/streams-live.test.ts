/**
 * Runs on streams in real time. Isolated learning does not depend on time: each site errs on the same batches and ends
 * with the same model, bit for bit, in the simulated world, in threads and in processes (needs `npm run build` before).
 */
import { describe, expect, test } from "vitest";
import type { RunEvent } from "../../src/core/events.ts";
import { type Executed, execute } from "../sync/real.ts";
import { childrenOf } from "./processes.ts";
import { batchErrors as errors, onStreams as quick } from "./stream-runs.ts";

const threads = { kind: "local" };
const processes = { kind: "local", hosts: "processes" };

const bytesOf = ({ events }: Executed, kind: RegExp): number =>
  events
    .flatMap((event) => (event.type === "traffic" && kind.test(event.kind) ? [event.bytes] : []))
    .reduce((sum, bytes) => sum + bytes, 0);

describe("equal bits in the simulated world, in threads and in processes", () => {
  test("isolated learning", async () => {
    const virtual = await execute(quick());
    for (const world of [threads, processes]) {
      const real = await execute(quick({ world }));
      expect(errors(real)).toEqual(errors(virtual));
      expect(real.outcome.tailored).toEqual(virtual.outcome.tailored);
      expect(real.outcome.reason).toBe("finished");
      expect(real.events.at(-1)).toMatchObject({ type: "end", reason: "finished" });
    }
  });
});

describe("in real time", () => {
  test("centralised learning ships the same records", async () => {
    const between = { kind: "centralize", everyBatches: 3 };
    const [virtual, real] = [
      await execute(quick({ between })),
      await execute(quick({ between, world: threads })),
    ];
    expect(bytesOf(real, /batch$/)).toBe(bytesOf(virtual, /batch$/));
    expect(bytesOf(real, /model$/)).toBeGreaterThan(0);
  });

  test("cartel and federated averaging run to the end of their streams", async () => {
    for (const kind of ["cartel", "federated"]) {
      const real = await execute(quick({ between: { kind }, world: threads }));
      expect(errors(real)).toHaveLength(20);
      expect(real.outcome.tailored).toHaveLength(2);
    }
  });

  test("sites tell of their models in a bucket of the run's bus", async () => {
    const between = { kind: "cartel", registry: { kind: "nats" }, reportEvery: 2 };
    const workload = { kind: "introduction", at: 20, targets: 1, donors: 1 };
    const stream = { batches: 50, mixture: { kind: "classes", count: 4 }, workload };
    for (const world of [threads, processes]) {
      const real = await execute(quick({ between, world }, stream));
      expect(errors(real)).toHaveLength(100);
      // Of whom it asks, or why not, it knows from the bucket.
      const said = real.events.flatMap((e) => (e.type === "mark" ? [`${e.peer} ${e.text}`] : []));
      expect(said.some((text) => /site-\d/.test(text))).toBe(true);
    }
  });

  test("the others go on when the host of a site, or of the registry, is killed", async () => {
    for (const kind of ["none", "cartel"]) {
      let killed = false;
      const world = processes;
      const sites = { count: 3, bandwidthMbps: 200, rttMs: 4 };
      const real = await execute(quick({ between: { kind }, sites, world }, { batches: 40 }), {
        onEvent: (event) => {
          if (event.type !== "stream" || killed) return;
          killed = true;
          process.kill(Math.min(...childrenOf(process.pid)), "SIGKILL");
        },
      });
      const { outcome, events } = real;
      expect(outcome.reason).toBe("finished");
      const left = events.flatMap((e) => (e.type === "fault" ? [`${e.fault} ${e.target}`] : []));
      expect(left).toEqual(["left site-0"]);
      expect(outcome.tailored?.map(({ site }) => site)).toEqual(["site-1", "site-2"]);
      for (const site of ["site-1", "site-2"])
        expect(errors(real).filter(([id]) => id === site)).toHaveLength(40);
      expect(childrenOf(process.pid)).toEqual([]);
    }
  });

  test("at the declared pace learning lasts as long as on the declared processor", async () => {
    const sites = { count: 2, bandwidthMbps: 200, rttMs: 4, processor: { msPerBatch: 30 } };
    const { events } = await execute(quick({ sites, world: { ...threads, pace: "declared" } }));
    const times = events.flatMap((event: RunEvent) =>
      event.type === "stream" && event.site === "site-0" ? [event.t] : [],
    );
    // 30 ms to predict, 30 ms to learn; batches come every 20 ms.
    for (const [k, t] of times.entries())
      expect(t).toBeGreaterThanOrEqual(20_000 + 60_000 * (k + 1));
  });

  test("an abort ends it with the models that there are", async () => {
    const controller = new AbortController();
    const onEvent = (event: RunEvent): void => {
      if (event.type === "stream") controller.abort();
    };
    // At the pace of a batch a second the stream is far from its end when the first is told.
    const { outcome } = await execute(quick({ world: threads }, { batches: 10, rate: 1 }), {
      signal: controller.signal,
      onEvent,
    });
    expect(outcome.reason).toBe("interrupted");
    expect(outcome.tailored).toHaveLength(2);
  });
});
