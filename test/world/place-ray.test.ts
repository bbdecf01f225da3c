/** Ray's Jobs API: what is asked for, what its answers mean, what passes and what is final. */
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { InputError } from "../../src/core/errors.ts";
import { Scope } from "../../src/core/scope.ts";
import { MILLISECOND } from "../../src/core/units.ts";
import { realTimers } from "../../src/world/bus/timers.ts";
import type { WaitingNote } from "../../src/world/cluster/place/contract.ts";
import { type RayOptions, rayJob, rayPlacer, rayState } from "../../src/world/cluster/place/ray.ts";
import { failure, wanted } from "./place-fixtures.ts";

interface RayJob {
  readonly body: Readonly<Record<string, unknown>>;
  status: string;
  message?: string;
  driver_exit_code?: number;
  logs: string;
}

/** Ray's dashboard as far as it serves jobs: each runs when it has been looked at once. */
class FakeRay {
  readonly jobs = new Map<string, RayJob>();
  readonly seen: string[] = [];
  readonly refusals: {
    readonly matches: RegExp;
    readonly status: number;
    readonly text: string;
  }[] = [];
  nodes: readonly object[] = [];
  /** What becomes of a job by its name, after it has run. */
  readonly ends: Record<string, Partial<RayJob>> = {};
  readonly server: Server = createServer((request, response) => this.#serve(request, response));

  get address(): string {
    return `http://127.0.0.1:${(this.server.address() as { readonly port: number }).port}`;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let text = "";
    for await (const piece of request) text += piece;
    const line = `${request.method} ${request.url}`;
    this.seen.push(`${line} ${request.headers.authorization ?? ""}`);
    const at = this.refusals.findIndex(({ matches }) => matches.test(line));
    const [refusal] = at === -1 ? [] : this.refusals.splice(at, 1);
    const [status, body] = refusal ? [refusal.status, refusal.text] : this.#route(line, text);
    response.writeHead(status);
    response.end(typeof body === "string" ? body : JSON.stringify(body));
  }

  #route(line: string, text: string): readonly [number, unknown] {
    if (line.startsWith("GET /api/v0/nodes")) {
      return [200, { result: true, data: { result: { result: this.nodes } } }];
    }
    if (line === "POST /api/jobs/") {
      const body = JSON.parse(text) as Record<string, unknown>;
      const id = String(body["submission_id"]);
      if (this.jobs.has(id)) return [400, `Job with submission_id ${id} already exists.`];
      this.jobs.set(id, { body, status: "PENDING", message: "waiting for resources", logs: "" });
      return [200, { job_id: id, submission_id: id }];
    }
    const [, id = "", what] = /^\w+ \/api\/jobs\/([^/]+)\/?(\w*)$/.exec(line) ?? [];
    const job = this.jobs.get(id);
    if (!job) return [404, `Job ${id} does not exist`];
    if (what === "logs") return [200, { logs: job.logs }];
    if (what === "stop") {
      const runs = /PENDING|RUNNING/.test(job.status);
      if (runs) job.status = "STOPPED";
      return [200, { stopped: runs }];
    }
    const answer = { ...job, body: undefined };
    const name = (job.body["metadata"] as { readonly name: string }).name;
    if (job.status === "RUNNING") Object.assign(job, this.ends[name]);
    if (job.status === "PENDING") job.status = "RUNNING";
    return [200, answer];
  }
}

let ray: FakeRay;
beforeEach(async () => {
  ray = new FakeRay();
  ray.server.listen(0, "127.0.0.1");
  await once(ray.server, "listening");
});
afterEach(async () => {
  ray.server.close();
  await once(ray.server, "close");
});

const placer = (more: Partial<RayOptions> = {}) => {
  const { now, after } = realTimers();
  const timers = {
    now,
    // Pauses take a millisecond; deadlines stay.
    after: (micros: number, action: () => void) =>
      after(micros < 5_000 * MILLISECOND ? MILLISECOND : micros, action),
  };
  return rayPlacer({ address: ray.address, timers, ...more });
};
const states = () => [...ray.jobs.values()].map(({ status }) => status);

test("a job asks for what its process does, for a core always; a shell reads the words back", () => {
  const process = wanted("a", ["node", "x y.js", "it's", "$HOME"], {
    cores: 2,
    gpus: 1,
    labels: { region: "oregon", fast: "" },
  });
  expect(rayJob(process, { address: "" }, "id")).toEqual({
    submission_id: "id",
    entrypoint: `node 'x y.js' 'it'\\''s' '$HOME'`,
    entrypoint_num_cpus: 2,
    entrypoint_num_gpus: 1,
    entrypoint_memory: 64e6,
    entrypoint_label_selector: { region: "oregon", fast: "" },
    runtime_env: { env_vars: { PLACED: "a" } },
    metadata: { name: "a", site: "oregon" },
  });
  const old = rayJob(process, { address: "", labelsAre: "resources" }, "id");
  expect(old).toMatchObject({ entrypoint_resources: { oregon: 0.001, fast: 0.001 } });
  expect(old).not.toHaveProperty("entrypoint_label_selector");
});

test("a process that asks for its own host is told its node's address, as Ray's own Python knows it", () => {
  const process = wanted("a", ["pangaea", "node", "--advertise", "{host}", "it's {host}:1"]);
  const { entrypoint } = rayJob(process, { address: "" }, "id") as { readonly entrypoint: string };
  const folder = mkdtempSync(join(tmpdir(), "pangaea-ray-"));
  const python = (says: string): string => {
    writeFileSync(join(folder, "python3"), `#!/bin/sh\n${says}\n`, { mode: 0o755 });
    const args = `printf '<%s>' "$@"`;
    writeFileSync(join(folder, "pangaea"), `#!/bin/sh\n${args}\n`, { mode: 0o755 });
    const env = { PATH: `${folder}:/usr/bin:/bin` };
    const { stdout, stderr } = spawnSync("sh", ["-c", entrypoint], { env, encoding: "utf8" });
    return stdout + stderr;
  };
  expect(python("echo Connected; echo 10.0.0.7")).toBe(
    "<node><--advertise><10.0.0.7><it's 10.0.0.7:1>",
  );
  expect(entrypoint).toContain("ray.util.get_node_ip_address()");
  expect(python("exit 1")).toBe(
    "python3 here does not know the address that this node has in Ray\n",
  );
  rmSync(folder, { recursive: true });
});

test.each([
  [{ status: "FAILED", driver_exit_code: 3 }, "exit code 3"],
  [{ status: "FAILED", driver_exit_code: -9 }, "signal 9"],
  [
    { status: "FAILED", message: "Job failed to start in 900 s\nmore" },
    "ray: FAILED: Job failed to start in 900 s",
  ],
  [{ status: "STOPPED" }, "ray: STOPPED"],
])("an end: %j", (record, how) => {
  expect(rayState(record)).toEqual({ phase: "ended", how, well: false });
});

describe("placing", () => {
  test("two run; one fails with its last lines, the other is stopped", async () => {
    const notes: WaitingNote[] = [];
    await Scope.run(async (scope) => {
      const both = [wanted("a", ["x"]), wanted("b", ["y"])];
      const placed = await placer({
        waiting: (note) => notes.push(note),
        token: () => "secret",
      }).place(both, scope);
      const logs =
        "2026-01-01 00:00:00,000\tINFO job_manager.py:1 -- Runtime env is setting up.\n" +
        "Running entrypoint for job x: y\none\nno data\n";
      Object.assign(ray.ends, { a: { status: "FAILED", driver_exit_code: 3, logs } });
      const end = await placed.placements[0]?.ended;
      expect(end).toEqual({ how: "exit code 3", lastLines: ["one", "no data"] });
      expect(states()).toEqual(["FAILED", "RUNNING"]);
      await placed.cancel();
      expect((await placed.placements[1]?.ended)?.how).toBe("ray: STOPPED");
    });
    expect(notes).toContainEqual({ name: "a", why: "waiting for resources" });
    expect(ray.seen.every((line) => line.endsWith("Bearer secret"))).toBe(true);
  });

  test.each([
    [401, "SCHEDULER_FORBIDDEN"],
    [400, "SCHEDULER_REFUSED"],
    [503, "SCHEDULER_BUSY"],
  ])("a refusal (%i) of the second stops the first", async (status, code) => {
    const both = [wanted("a", ["x"]), wanted("b", ["y"])];
    const error = await failure(
      Scope.run(async (scope) => {
        const refuse = { matches: /^POST \/api\/jobs\/$/, status, text: "no\nstack" };
        const waiting = placer({ waiting: () => {} });
        const placing = waiting.place([both[0]!], scope);
        await placing;
        ray.refusals.push(refuse);
        await waiting.place([both[1]!], scope);
      }),
    );
    expect(error.code).toBe(code);
    expect(error.message).toMatch(/answered \d+: no$/);
    expect(states()).toEqual(["STOPPED"]);
  });

  test("answers that pass are borne while processes run", async () => {
    await Scope.run(async (scope) => {
      const placed = await placer().place([wanted("a", ["x"])], scope);
      for (let i = 0; i < 9; i++) ray.refusals.push({ matches: /^GET/, status: 502, text: "" });
      Object.assign(ray.ends, { a: { status: "SUCCEEDED", logs: "done\n" } });
      const end = await placed.placements[0]?.ended;
      expect(end).toEqual({ how: "exit code 0", lastLines: ["done"] });
    });
  });

  test("what no node of Ray has is said before anything is asked for", async () => {
    const labels = { region: "oregon" };
    const resources_total = { CPU: 4, memory: 1e9, eu: 1 };
    ray.nodes = [
      { state: "ALIVE", labels, resources_total },
      { state: "DEAD", labels: {} },
    ];
    const asked = [
      wanted("a", ["x"], { labels: { region: "oregone" } }),
      wanted("b", ["x"], { gpus: 1 }),
    ];
    const error = await failure(Scope.run((scope) => placer().place(asked, scope)));
    expect((error as InputError).issues.map(({ path, fix }) => [path?.join("."), fix])).toEqual([
      ["a.labels.region", 'did you mean "oregon"?'],
      ["b.gpus", "the largest has 0 GPUs"],
    ]);
    const resources = placer({ labelsAre: "resources" });
    const far = [wanted("c", ["x"], { labels: { region: "us" } })];
    expect(await failure(Scope.run((scope) => resources.place(far, scope)))).toBeInstanceOf(
      InputError,
    );
    const near = [wanted("d", ["x"], { labels: { region: "eu" } })];
    await Scope.run((scope) => resources.place(near, scope));
    expect(states()).toEqual(["STOPPED"]);
  });
});
