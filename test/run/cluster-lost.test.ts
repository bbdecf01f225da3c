/** Agents that are killed in the middle of a run, as processes of the command line (needs `npm run build` before). */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test, vi } from "vitest";
import type { RunEvent } from "../../src/core/events.ts";
import { ROOT } from "../house/source.ts";
import { small } from "../sync/real.ts";
import { startNats } from "../world/nats-server.ts";

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

interface Started {
  readonly child: ChildProcess;
  said: string;
  readonly code: Promise<number | null>;
}

function cli(words: readonly string[], cwd: string): Started {
  const child = spawn(process.execPath, [join(ROOT, "dist/cli/main.js"), ...words], {
    cwd,
    stdio: ["ignore", "ignore", "pipe"],
  });
  const code = new Promise<number | null>((resolve) => child.once("exit", resolve));
  const started: Started = { child, said: "", code };
  child.stderr?.on("data", (data: Buffer) => {
    started.said += data.toString();
  });
  ends.push(() => {
    child.kill("SIGKILL");
    return code;
  });
  return started;
}

const until = (holds: () => boolean): Promise<unknown> =>
  vi.waitUntil(holds, { timeout: 30_000, interval: 20 });

/** A run over two agents, of which that of site-1 is killed once the run has been judged. */
async function killed(between: Record<string, unknown>) {
  const server = await startNats();
  ends.push(() => server.stop());
  const folder = mkdtempSync(join(tmpdir(), "pangaea-test-"));
  ends.push(() => rmSync(folder, { recursive: true }));
  const agents = [0, 1].map((site) => {
    const where = ["--site", `site-${site}`, "--name", `site-${site}/agent`, "--threads", "0"];
    return cli(["node", ...where, "--insecure", "--nats", server.url], folder);
  });
  const sites = { count: 2, workers: 1, bandwidthMbps: 200, rttMs: 4 };
  const world = { kind: "cluster", nats: [server.url] };
  const stop = { maxClocks: 1000 };
  const spec = small({ sites, between, world, stop, evaluate: { every: 50 } });
  writeFileSync(join(folder, "run.json"), JSON.stringify(spec));
  const run = cli(["run", "run.json", "--insecure", "--threads", "0", "--out", "out"], folder);
  const events = (): RunEvent[] => {
    const log = join(folder, "out/events.ndjson");
    const lines = existsSync(log) ? readFileSync(log, "utf8").split("\n").slice(0, -1) : [];
    return lines.map((line) => JSON.parse(line) as RunEvent);
  };
  await until(() => events().some(({ type }) => type === "evaluation"));
  agents[1]?.child.kill("SIGKILL");
  const code = await run.code;
  return { code, said: run.said, events: events(), files: readdirSync(join(folder, "out")) };
}

test("without a site that is its own the run goes on, and the log names it", async () => {
  const { code, events } = await killed({ kind: "none" });
  expect(code).toBe(0);
  const fault = events.find(({ type }) => type === "fault");
  expect(fault).toMatchObject({ fault: "left", target: "site-1/agent" });
  const notes = events.flatMap((event) => (event.type === "note" ? [event.text] : []));
  expect(notes.join("\n")).toMatch(
    /site-1\/agent[^\n]* ended with its agent is gone[\s\S]*the run goes on without it/,
  );
  expect(events.at(-1)).toMatchObject({ type: "end", reason: "maxClocks" });
}, 60_000);

test("without a server's agent the run ends with what there is, and says so", async () => {
  const { code, said, events, files } = await killed({ kind: "stretched" });
  expect(code).toBe(5);
  expect(said).toMatch(/HOST_LOST/);
  expect(said).toMatch(/site-1\/agent[^\n]* ended with its agent is gone/);
  expect(events.at(-1)).toMatchObject({ type: "end", reason: "failed" });
  expect(files).toEqual(expect.arrayContaining(["model.safetensors", "report.html"]));
}, 60_000);
