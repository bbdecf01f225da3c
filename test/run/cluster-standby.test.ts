/** Coordinators that stand by, as processes of the command line (needs `npm run build` before). */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test, vi } from "vitest";
import { packageVersion } from "../../src/cli/folders.ts";
import { readSafetensors } from "../../src/codec/safetensors.ts";
import { ROOT } from "../house/source.ts";
import { execute, small } from "../sync/real.ts";
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

/** Waits until it has judged the run. */
const judges = ({ folder }: Standby): Promise<unknown> =>
  vi.waitUntil(
    () => {
      const log = join(folder, "runs/small-1/events.ndjson");
      return existsSync(log) && readFileSync(log, "utf8").includes('"type":"evaluation"');
    },
    { timeout: 30_000, interval: 20 },
  );

const written = ({ folder }: Standby): readonly string[] => readdirSync(folder);

test("a coordinator that is killed, and one that leaves, are replaced; the run ends with the same bits", async () => {
  const there = await agents();
  ends.push(() => there.stop());
  const version = packageVersion();
  for (const site of ["site-0", "site-1"]) await there.start(site, { version });
  // A clock lasts a round trip at least: the run outlasts both of its coordinators on every machine.
  const slow = (more: Record<string, unknown> = {}) =>
    small({
      sites: { count: 2, workers: 1, bandwidthMbps: 200, rttMs: 25 },
      ...{ stop: { maxClocks: 400 }, evaluate: { every: 20 }, ...more },
    });
  const two = [await standby(there.server.url), await standby(there.server.url)];
  const world = { kind: "cluster", nats: [there.server.url], links: "shaped", leaseSeconds: 1.5 };
  const run = await killedCoordinator(slow({ world }), { version, insecure: true });
  const first = await says(two, `run ${run}: is led from here`);
  await judges(first);
  first.child.kill("SIGTERM");
  const [second] = two.filter((one) => one !== first) as [Standby];
  await says([second], `run ${run}: is led from here`, [first]);
  expect(await first.code).toBe(0);
  await says([second], `run ${run} is over; report runs/small-1/report.html`);
  expect(written(second)).toEqual(["runs"]);
  const folder = join(second.folder, "runs/small-1");
  expect(readdirSync(folder)).toEqual(
    expect.arrayContaining(["events.ndjson", "model.safetensors", "report.html", "spec.json"]),
  );
  const { tensors } = readSafetensors(readFileSync(join(folder, "model.safetensors")));
  const expected = [...((await execute(slow())).outcome.global?.parameters ?? [])];
  expect(tensors.flatMap(({ data }) => [...data])).toEqual(expected);
  // Hosts end with the run.
  expect(childrenOf(process.pid)).toEqual([]);
}, 60_000);
