/** Coordinators that stand by, as processes of the command line, and runs that they go on with. */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, vi } from "vitest";
import { packageVersion } from "../../src/cli/folders.ts";
import type { RunEvent } from "../../src/core/events.ts";
import type { RunSpec } from "../../src/run/spec.ts";
import { ROOT } from "../house/source.ts";
import { agents } from "./agents.ts";
import { killedCoordinator } from "./coordinators.ts";
import { childrenOf } from "./processes.ts";

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

interface Standby {
  readonly folder: string;
  readonly child: ChildProcess;
  said: string;
  readonly code: Promise<number | null>;
}

async function standby(nats: string): Promise<Standby> {
  const folder = mkdtempSync(join(tmpdir(), "pangaea-test-"));
  ends.push(() => rmSync(folder, { recursive: true }));
  const words = ["node", "--roles", "coordinator", "--insecure", "--nats", nats, "--threads", "0"];
  const child = spawn(process.execPath, [join(ROOT, "dist/cli/main.js"), ...words], {
    cwd: folder,
    stdio: ["ignore", "ignore", "pipe"],
  });
  const code = new Promise<number | null>((resolve) => child.once("exit", resolve));
  const started: Standby = { folder, child, said: "", code };
  ends.push(() => {
    child.kill("SIGKILL");
    return code;
  });
  child.stderr?.on("data", (data: Buffer) => {
    started.said += data.toString();
  });
  await says([started], "stands by for runs");
  return started;
}

/** Waits until one of them says so. */
async function says(
  all: readonly Standby[],
  text: string,
  others: readonly Standby[] = [],
): Promise<Standby> {
  const those = () => all.find(({ said }) => said.includes(text));
  try {
    return (await vi.waitUntil(those, { timeout: 30_000, interval: 20 })) as Standby;
  } catch {
    const said = [...all, ...others].map((one) => one.said).join("\n\n");
    throw new Error(`nobody says ${text}; they say:\n${said}`);
  }
}

/** Waits until its log of the run has an event of this type. */
const logs = ({ folder }: Standby, name: string, type: RunEvent["type"]): Promise<unknown> =>
  vi.waitUntil(
    () => {
      const log = join(folder, "runs", `${name}-1`, "events.ndjson");
      return existsSync(log) && readFileSync(log, "utf8").includes(`"type":"${type}"`);
    },
    { timeout: 30_000, interval: 20 },
  );

/**
 * Kills the run's coordinator, whose folders `roots` are; of two that stand by the one that leads it then leaves when its log has an event of this
 * type. @returns where the other has written, when it has led the run to its end
 */
export async function ledByThree(
  spec: (more?: Record<string, unknown>) => RunSpec,
  type: RunEvent["type"],
  roots: readonly string[] = [],
): Promise<string> {
  const there = await agents();
  ends.push(() => there.stop());
  const version = packageVersion();
  for (const site of ["site-0", "site-1"]) await there.start(site, { version });
  const two = [await standby(there.server.url), await standby(there.server.url)];
  const world = { kind: "cluster", nats: [there.server.url], links: "shaped", leaseSeconds: 1.5 };
  const { name } = spec();
  const run = await killedCoordinator(spec({ world }), { version, insecure: true }, roots);
  const first = await says(two, `run ${run}: is led from here`);
  await logs(first, name, type);
  first.child.kill("SIGTERM");
  const [second] = two.filter((one) => one !== first) as [Standby];
  await says([second], `run ${run}: is led from here`, [first]);
  expect(await first.code).toBe(0);
  await says([second], `run ${run} is over; report runs/${name}-1/report.html`);
  expect(readdirSync(second.folder)).toEqual(["runs"]);
  // Hosts end with the run.
  expect(childrenOf(process.pid)).toEqual([]);
  return join(second.folder, `runs/${name}-1`);
}
