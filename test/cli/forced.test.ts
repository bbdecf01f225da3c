/** A second Ctrl-C while a scheduler runs what was started: it is asked to end it, and what is left is named. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, expect, test } from "vitest";
import { startNats } from "../world/nats-server.ts";

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

/** Ray's Jobs API: whatever is started runs, and goes on when it is asked to stop. */
async function stubbornRay(seen: string[]): Promise<string> {
  const server: Server = createServer((request, response) => {
    seen.push(`${request.method} ${request.url}`);
    request.resume();
    response.writeHead(request.url?.startsWith("/api/jobs") ? 200 : 404);
    response.end(JSON.stringify({ status: "RUNNING", stopped: true }));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  ends.push(() => server.close());
  return `http://127.0.0.1:${(server.address() as { readonly port: number }).port}`;
}

const EXPERIMENT = (nats: string, ray: string): string => `version: 1
name: forced
data: { kind: digits, rows: 100, testRows: 50 }
model: { kind: sequential, layers: [flatten, { dense: 10 }] }
optimizer: { kind: sgd, learningRate: 0.1 }
sites: { count: 2, workers: 1, bandwidthMbps: 100, rttMs: 5 }
between: { kind: stretched }
stop: { maxClocks: 4 }
world: { kind: cluster, nats: ["${nats}"], place: { kind: ray, address: "${ray}" } }
`;

test("what may still run is named with the command that ends it (needs `npm run build` before)", async () => {
  const server = await startNats();
  ends.push(() => server.stop());
  const seen: string[] = [];
  const ray = await stubbornRay(seen);
  const folder = mkdtempSync(join(tmpdir(), "pangaea-forced-"));
  ends.push(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(join(folder, "x.yaml"), EXPERIMENT(server.url, ray));
  const main = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
  const child = spawn(process.execPath, [main, "run", "x.yaml", "--insecure"], {
    cwd: folder,
    env: { ...process.env, COLUMNS: "200" },
    stdio: ["ignore", "ignore", "pipe"],
  });
  ends.push(() => child.kill("SIGKILL"));
  let text = "";
  child.stderr.setEncoding("utf8");
  const says = async (what: RegExp): Promise<void> => {
    while (!what.test(text)) text += String((await once(child.stderr, "data"))[0]);
  };
  await says(/waiting for agents/);
  child.kill("SIGINT");
  await says(/Ctrl-C again forces/);
  child.kill("SIGINT");
  child.stderr.on("data", (data: string) => {
    text += data;
  });
  const [code] = await once(child, "close");
  expect(code).toBe(130);
  const stopped = seen.flatMap((line) => /^POST \/api\/jobs\/(\S+)\/stop$/.exec(line)?.[1] ?? []);
  expect(stopped.length).toBe(2);
  const lines = text.split("\n");
  for (const id of stopped) {
    expect(lines).toContainEqual(expect.stringMatching(`\\(job ${id}\\) may still run`));
    expect(lines).toContain(`ray job stop --address ${ray} ${id}`);
  }
});
