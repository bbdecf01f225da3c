/**
 * slurmrestd's versions that Debian's Slurm does not serve: what is sent obeys the part that we use of each version's
 * published OpenAPI description, and what its answers look like is read right.
 */
import { once } from "node:events";
import { createServer } from "node:http";
import { expect, test } from "vitest";
import { Scope } from "../../src/core/scope.ts";
import { MILLISECOND } from "../../src/core/units.ts";
import { slurmPlacer } from "../../src/world/cluster/place/slurm/slurm.ts";
import { wanted } from "./place-fixtures.ts";
import { integer, list, object, problems, type Schema, text, yes } from "./schema.ts";

/** A number that can be unset or without bound: `uint32_no_val`, `uint64_no_val`. */
const setNumber = object({ set: yes, infinite: yes, number: integer(0) });
const JOB = {
  ...{ name: text(), partition: text(), account: text(), qos: text(), constraints: text() },
  ...{ tasks: integer(1), cpus_per_task: integer(1), memory_per_node: setNumber },
  ...{ tres_per_node: text(), time_limit: setNumber, "environment!": list(text(/^\w+=/), 1) },
  ...{ current_working_directory: text(), standard_output: text(), requeue: yes },
};
/** `job_submission` of v0.0.39; `job_submit_req` from v0.0.40 on, where the script is the job's own. */
const submission = (version: number): Schema =>
  version < 40
    ? object({ "script!": text(/^#!/), "job!": object(JOB) })
    : object({ script: text(/^#!/), "job!": object({ ...JOB, script: text(/^#!/) }) });

/** Of a job that was found, as each version words it. */
function record(version: number, word: string, code: number): object {
  const { set, infinite } = { set: true, infinite: false };
  if (version < 40) return { job_state: word, exit_code: { set, infinite, number: code << 8 } };
  const exit = {
    status: [code === 0 ? "SUCCESS" : "ERROR"],
    return_code: { set, infinite, number: code },
    signal: { id: { set: false, infinite, number: 0 }, name: "" },
  };
  return { job_state: [word], exit_code: exit };
}

/** A server of one version: every job runs, and then has failed with exit code 3. */
async function serve(version: number) {
  const sent: unknown[] = [];
  const paths: string[] = [];
  let looks = 0;
  const server = createServer(async (request, response) => {
    let body = "";
    for await (const piece of request) body += String(piece);
    const path = request.url ?? "";
    const own = `/slurm/v0.0.${version}`;
    const answer = (status: number, said: unknown): unknown =>
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(said));
    if (!path.startsWith(`${own}/`)) return answer(404, "Unable find requested URL");
    paths.push(`${request.method} ${path.slice(own.length)}`);
    if (path === `${own}/ping`) return answer(200, { pings: [], errors: [], warnings: [] });
    if (path === `${own}/nodes`) {
      const node = {
        name: "n1",
        features: ["oregon"],
        cpus: 8,
        real_memory: 16_000,
        gres: "gpu:2",
      };
      return answer(200, { nodes: [node], errors: [], warnings: [] });
    }
    if (path === `${own}/job/submit`) {
      sent.push(JSON.parse(body));
      return answer(200, { job_id: 7, step_id: "batch", errors: [], warnings: [] });
    }
    const [word, code] = looks++ === 0 ? (["RUNNING", 0] as const) : (["FAILED", 3] as const);
    const state_reason = code === 0 ? "None" : "NonZeroExitCode";
    const job = { job_id: 7, state_reason, ...record(version, word, code) };
    return answer(200, { jobs: [job], errors: [], warnings: [] });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { readonly port: number };
  return { address: `http://127.0.0.1:${port}`, sent, paths, stop: () => server.close() };
}

test.each([39, 40, 41, 42, 43, 44])("v0.0.%i is spoken as it is described", async (version) => {
  const server = await serve(version);
  const placer = slurmPlacer({
    ...{ address: server.address, folder: "/shared", interval: 10 * MILLISECOND },
    ...{ partition: "main", account: "lab", qos: "normal", timeLimitMinutes: 30 },
  });
  const one = wanted("one", ["sh", "-c", "exit 3"], { labels: { region: "oregon" }, gpus: 1 });
  const end = await Scope.run(async (scope) => {
    const { placements } = await placer.place([one], scope);
    return placements[0]?.ended;
  });
  server.stop();
  expect(end?.how).toBe("exit code 3");
  expect(server.sent.map((body) => problems(submission(version), body))).toEqual([[]]);
  expect(server.paths.slice(0, 4)).toEqual([
    ...["GET /ping", "GET /nodes", "POST /job/submit", "GET /job/7"],
  ]);
  const { job } = server.sent[0] as { readonly job: Readonly<Record<string, unknown>> };
  expect(job).toMatchObject({
    ...{ partition: "main", account: "lab", qos: "normal", constraints: "oregon" },
    ...{ time_limit: { set: true, number: 30 }, tres_per_node: "gres/gpu:1", tasks: 1 },
  });
});
