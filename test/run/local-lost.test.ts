/** Local runs that are interrupted, or lose a process: nothing is left behind (needs `npm run build` before). */
import { expect, test } from "vitest";
import type { PangaeaError } from "../../src/core/errors.ts";
import type { RunEvent } from "../../src/core/events.ts";
import type { FailedRun } from "../../src/run/failed.ts";
import { execute, small } from "../sync/real.ts";
import { childrenOf, dies } from "./processes.ts";

const sites = { count: 2, workers: 2, bandwidthMbps: 200, rttMs: 4 };
const quick = (more: Record<string, unknown> = {}) =>
  small({ sites, stop: { maxClocks: 8 }, evaluate: { every: 4 }, ...more });
const processes = { kind: "local", hosts: "processes" };

test("ends with what there is when it is interrupted, and leaves no process", async () => {
  const controller = new AbortController();
  const stop = { maxClocks: 100_000 };
  const { events, outcome } = await execute(quick({ world: processes, stop }), {
    signal: controller.signal,
    onEvent: (event) => {
      if (event.type === "clock") controller.abort();
    },
  });
  expect(outcome.reason).toBe("interrupted");
  expect(outcome.global).toBeDefined();
  expect(events.at(-1)).toMatchObject({ type: "end", reason: "interrupted" });
  expect(childrenOf(process.pid)).toEqual([]);
});

test("names the host that dies, and who then waits for whom", async () => {
  const stop = { maxClocks: 100_000 };
  let killed: number | undefined;
  const events: unknown[] = [];
  const between = { kind: "stretched" };
  const running = execute(quick({ world: processes, stop, between }), {
    onEvent: (event) => {
      events.push(event);
      if (event.type !== "clock" || killed !== undefined) return;
      killed = Math.max(...childrenOf(process.pid));
      process.kill(killed, "SIGKILL");
    },
  });
  const error = await running.then(
    () => undefined,
    (reason: PangaeaError) => reason,
  );
  expect(error).toMatchObject({ code: "HOST_LOST" });
  expect(error?.message).toMatch(
    new RegExp(`^host (site-\\d) \\(process ${killed}\\) ended with signal SIGKILL`),
  );
  const dead = /host (site-\d)/.exec(error?.message ?? "")?.[1];
  expect(error?.message).toMatch(new RegExp(`/worker-\\d waits for .*${dead}|waits for the end`));
  const end = events.at(-1) as { type: string; reason: string; message: string };
  expect(end).toMatchObject({ type: "end", reason: "failed" });
  expect(end.message).toContain(`host ${dead}`);
  expect(end.message).toContain("it holds a part of the only copy");
  expect(childrenOf(process.pid)).toEqual([]);
});

test("keeps what was last told of a copy when it ends for want of a server", async () => {
  const stop = { maxClocks: 100_000 };
  let killed = false;
  const running = execute(quick({ world: processes, stop }), {
    onEvent: (event) => {
      if (event.type !== "evaluation" || killed) return;
      killed = true;
      process.kill(Math.max(...childrenOf(process.pid)), "SIGKILL");
    },
  });
  const error = await running.then(
    () => undefined,
    (reason: FailedRun) => reason,
  );
  expect(error?.code).toBe("HOST_LOST");
  expect(error?.outcome).toMatchObject({ reason: "failed", global: { origin: "the one copy" } });
});

test("goes on without a site that others stand beside, and says so", async () => {
  const events: RunEvent[] = [];
  let killed = false;
  const { outcome } = await execute(
    quick({
      world: processes,
      sites: { ...sites, count: 3 },
      between: { kind: "gaia" },
      stop: { maxClocks: 400 },
    }),
    {
      onEvent: (event) => {
        events.push(event);
        if (event.type !== "evaluation" || killed) return;
        killed = true;
        process.kill(Math.max(...childrenOf(process.pid)), "SIGKILL");
      },
    },
  );
  const fault = events.find((event) => event.type === "fault");
  expect(fault).toMatchObject({ fault: "left", target: expect.stringMatching(/^site-\d$/) });
  const said = events.flatMap((event) => (event.type === "note" ? [event.text] : []));
  expect(said.at(-1)).toMatch(/ended with signal SIGKILL[\s\S]*the run goes on without it/);
  expect(outcome.reason).toBe("maxClocks");
  expect(outcome.models).toHaveLength(2);
  const last = events.findLast((event) => event.type === "evaluation");
  expect(last?.type === "evaluation" && last.clock).toBe(400);
});

test("kill -9 of the parent leaves no host behind", async () => {
  const hosts = await orphans();
  expect(hosts).toHaveLength(2);
  await Promise.all(hosts.map(dies));
});

/** The hosts of a run whose supervisor has just been killed. */
async function orphans(): Promise<readonly number[]> {
  const { spawn } = await import("node:child_process");
  const { ROOT } = await import("../house/source.ts");
  const spec = quick({ world: processes, stop: { maxClocks: 1_000_000 } });
  const program = `
    import { executeRun } from "pangaea";
    await executeRun(${JSON.stringify(spec)}, {
      roots: [], exists: async () => false, readFile: async () => new Uint8Array(0),
      threads: 0, signal: new AbortController().signal,
      onEvent: (event) => { if (event.type === "clock") console.log(event.clock); },
    });`;
  const driver = spawn(process.execPath, ["--input-type=module", "-e", program], {
    cwd: ROOT,
    stdio: ["ignore", "pipe", "inherit"],
  });
  await new Promise<void>((resolve) => driver.stdout.once("data", () => resolve()));
  const hosts = childrenOf(driver.pid as number);
  const gone = new Promise((resolve) => driver.once("exit", resolve));
  driver.kill("SIGKILL");
  await gone;
  return hosts;
}
