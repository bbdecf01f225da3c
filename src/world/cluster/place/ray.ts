/**
 * Ray, through its Jobs REST API: one job a process. Every job asks for a core at least: one that asks for nothing is
 * pinned to Ray's head node. Ray is one cluster of one site or of near ones, and knows nothing of links.
 */
import { randomBytes } from "node:crypto";
import type { Scope } from "../../../core/scope.ts";
import type { Micros } from "../../../core/units.ts";
import { realTimers, type Timers } from "../../bus/timers.ts";
import { allOrNone, type Started } from "./all-or-none.ts";
import type { Placed, PlacedProcess, Placer, WaitingNote } from "./contract.ts";
import { isPassing, refusal, throwIssues } from "./errors.ts";
import { HttpClient, saying } from "./http.ts";
import { type Job, type JobState, watchJob } from "./job.ts";
import { lastLinesOf } from "./last-lines.ts";
import type { Ledger } from "./ledger.ts";
import { type Machine, unmetByMachines } from "./machines.ts";
import { asksForOwnHost, withOwnHost } from "./own-host.ts";
import { shellWords } from "./quote.ts";

export interface RayOptions {
  /** Of the dashboard, which serves the Jobs API: "http://head:8265". */
  readonly address: string;
  /** Read anew for each request, for a cluster that asks for one. */
  readonly token?: (() => string) | undefined;
  /**
   * What a label asks for: that a node bears it (`ray start --labels region=oregon`, Ray 2.49 and later), or a
   * little of the custom resource of its value (`ray start --resources '{"oregon": 1}'`, any Ray). Labels by default.
   */
  readonly labelsAre?: "labels" | "resources" | undefined;
  readonly timers?: Timers | undefined;
  /** Between two looks at a job; 1 s by default. */
  readonly interval?: Micros | undefined;
  readonly waiting?: ((note: WaitingNote) => void) | undefined;
  /** Keeps what was started until it has ended. */
  readonly ledger?: Ledger | undefined;
}

export function rayPlacer(options: RayOptions): Placer {
  const { address, token, timers = realTimers() } = options;
  const http = new HttpClient({
    who: `Ray at ${address}`,
    address,
    timers,
    headers: () => (token === undefined ? {} : { authorization: `Bearer ${token()}` }),
  });
  return {
    kind: "ray",
    place: async (processes: readonly PlacedProcess[], scope: Scope): Promise<Placed> => {
      await checkNodes(http, processes, options);
      const start = (process: PlacedProcess) => submit(http, process, { ...options, timers });
      return allOrNone(processes, start, scope);
    },
  };
}

/** The body of `POST /api/jobs/`. */
export function rayJob(process: PlacedProcess, options: RayOptions, id: string): object {
  const { labels, gpus = 0 } = process;
  const some = Object.keys(labels).length > 0;
  const resources = Object.entries(labels).map(([key, value]) => [value || key, TRACE] as const);
  return {
    submission_id: id,
    entrypoint: entrypointOf(process),
    entrypoint_num_cpus: process.cores,
    entrypoint_memory: process.memoryBytes,
    ...(gpus > 0 ? { entrypoint_num_gpus: gpus } : {}),
    ...(some && options.labelsAre === "resources"
      ? { entrypoint_resources: Object.fromEntries(resources) }
      : {}),
    ...(some && options.labelsAre !== "resources" ? { entrypoint_label_selector: labels } : {}),
    runtime_env: { env_vars: process.env },
    metadata: { name: process.name, site: process.site },
  };
}

/** Of the node, as Ray knows it; Ray's own Python is what its jobs find as `python3`. */
const FIND_HOST = [
  `host=$(python3 -c 'import ray; ray.init(address="auto", log_to_driver=False, logging_level="ERROR"); print(ray.util.get_node_ip_address())' | tail -n 1)`,
  `[ -n "$host" ] || { echo "python3 here does not know the address that this node has in Ray" >&2; exit 1; }`,
].join("\n");

const entrypointOf = ({ command }: PlacedProcess): string =>
  asksForOwnHost(command) ? withOwnHost(command, FIND_HOST) : shellWords(command);

interface RayNode {
  readonly state?: string;
  readonly resources_total?: Readonly<Record<string, number>>;
  readonly labels?: Readonly<Record<string, string>>;
}

/** Ray lets a job that fits nowhere wait for a quarter of an hour. Where its state API is served, it is asked first. */
async function checkNodes(
  http: HttpClient,
  processes: readonly PlacedProcess[],
  { labelsAre }: RayOptions,
): Promise<void> {
  const { status, body } = await http.send("GET", "/api/v0/nodes?detail=1");
  if (status >= 300) return;
  const { data } = body as { readonly data?: { readonly result?: { result?: RayNode[] } } };
  const nodes = (data?.result?.result ?? []).filter(({ state }) => state === "ALIVE");
  if (nodes.length === 0) return;
  const machines = nodes.map((node) => machineOf(node, labelsAre === "resources"));
  const asked = processes.map((process) =>
    labelsAre === "resources" ? { ...process, labels: asResources(process.labels) } : process,
  );
  throwIssues(asked.flatMap((process) => unmetByMachines(process, machines)));
}

/** Of custom resources only their being there counts. */
function machineOf(
  { resources_total: has = {}, labels = {} }: RayNode,
  resources: boolean,
): Machine {
  return {
    labels: resources ? Object.fromEntries(Object.keys(has).map((name) => [name, ""])) : labels,
    cores: has["CPU"] ?? 0,
    memoryBytes: has["memory"] ?? 0,
    gpus: has["GPU"] ?? 0,
  };
}

const asResources = (labels: PlacedProcess["labels"]): PlacedProcess["labels"] =>
  Object.fromEntries(Object.entries(labels).map(([key, value]) => [value || key, ""]));

/** Of a custom resource: many processes share a node's one. */
const TRACE = 0.001;

async function submit(
  http: HttpClient,
  process: PlacedProcess,
  options: RayOptions & { readonly timers: Timers },
): Promise<Started> {
  const id = `pangaea-${process.name}-${randomBytes(4).toString("hex")}`;
  // The name is ours, so that an answer that was lost does not leave an unknown job behind.
  try {
    await http.ask("POST", "/api/jobs/", rayJob(process, options, id));
  } catch (error) {
    if (isPassing(error)) await http.ask("POST", `/api/jobs/${id}/stop`).catch(() => {});
    throw error;
  }
  const { name } = process;
  return watchJob(jobOf(http, id, name, options.address), options);
}

interface RayRecord {
  readonly status?: string;
  readonly message?: string;
  readonly driver_exit_code?: number | null;
}

export function rayState({ status, message = "", driver_exit_code: code }: RayRecord): JobState {
  const [said = ""] = message.split("\n");
  if (status === "PENDING") return { phase: "waiting", why: said };
  if (status === "RUNNING") return { phase: "running" };
  if (status === "SUCCEEDED") return { phase: "ended", how: "exit code 0", well: true };
  const well = false;
  if (status === "STOPPED") return { phase: "ended", how: "ray: STOPPED", well };
  if (typeof code !== "number") return { phase: "ended", how: `ray: ${status}: ${said}`, well };
  // Python's way: a signal is a negative exit code.
  return { phase: "ended", how: code < 0 ? `signal ${-code}` : `exit code ${code}`, well };
}

/** Lines that Ray's supervisor of the job writes into its log. */
const RAYS_OWN = /^(.*\bjob_manager\.py:\d+ -- .*|Running entrypoint for job .*)\n/gm;

function jobOf(http: HttpClient, id: string, name: string, address: string): Job {
  const path = `/api/jobs/${id}`;
  return {
    name,
    where: `job ${id}`,
    removal: `ray job stop --address ${address} ${id}`,
    look: async () => rayState((await http.ask("GET", path)) as RayRecord),
    remove: async () => {
      const { status, body } = await http.send("POST", `${path}/stop`);
      if (status < 300 || status === 404) return;
      throw refusal(http.who, status, saying(body));
    },
    lastLines: async () => {
      const { logs = "" } = (await http.ask("GET", `${path}/logs`)) as { readonly logs?: string };
      return lastLinesOf(logs.replace(RAYS_OWN, ""));
    },
  };
}
