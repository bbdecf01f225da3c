/**
 * Kubernetes, through its API server. One watch follows all pods of a run; deleting the Jobs deletes the pods with them.
 * Needs Kubernetes 1.29 (a Job whose indices fail each for itself). With a JobSet, whose Jobs stand and fall together, a
 * Job that fails ends the others; `jobSet: "never"` for runs that go on without a site.
 */
import { randomBytes } from "node:crypto";
import { PangaeaError } from "../../../../core/errors.ts";
import type { Scope } from "../../../../core/scope.ts";
import { type Micros, SECOND } from "../../../../core/units.ts";
import { realTimers, type Timers } from "../../../bus/timers.ts";
import { allOrNone } from "../all-or-none.ts";
import type { Placed, PlacedProcess, Placer, WaitingNote } from "../contract.ts";
import { throwIssues } from "../errors.ts";
import { HttpClient } from "../http.ts";
import type { Ledger } from "../ledger.ts";
import { unmetByMachines } from "../machines.ts";
import type { KubeAccess } from "./access.ts";
import {
  GRACE_SECONDS,
  type Group,
  groupsOf,
  jobName,
  jobOf,
  jobSetOf,
  type KubeObject,
  type PodOptions,
  RUN_LABEL,
} from "./manifest.ts";
import { type KubeNode, machineOf } from "./nodes.ts";
import { Seats } from "./seats.ts";

export interface KubernetesOptions extends Omit<PodOptions, "namespace"> {
  readonly access: KubeAccess;
  /** Whether a JobSet is made where its API is found; "auto" by default. */
  readonly jobSet?: "auto" | "never" | undefined;
  readonly timers?: Timers | undefined;
  /** How long the API server may be out of reach before pods count as lost; 5 min by default. */
  readonly patience?: Micros | undefined;
  readonly waiting?: ((note: WaitingNote) => void) | undefined;
  /** Keeps what was started until it has ended. */
  readonly ledger?: Ledger | undefined;
}

/** Beyond the grace that pods have: for the API server, and for the pods' nodes to say that they are gone. */
const FAREWELL_SECONDS = 60;

export function kubernetesPlacer(options: KubernetesOptions): Placer {
  return {
    kind: "kubernetes",
    place: (processes: readonly PlacedProcess[], scope: Scope) => place(processes, scope, options),
  };
}

async function place(
  processes: readonly PlacedProcess[],
  scope: Scope,
  options: KubernetesOptions,
): Promise<Placed> {
  const { access, timers = realTimers(), patience = 300 * SECOND, waiting } = options;
  const { graceSeconds = GRACE_SECONDS } = options;
  const { address, namespace, token, ca, cert, key, servername } = access;
  const who = `Kubernetes at ${address}`;
  const headers = (): Readonly<Record<string, string>> =>
    token === undefined ? {} : { authorization: `Bearer ${token()}` };
  const tls = { ca, cert, key, servername };
  const http = new HttpClient({ who, address, timers, headers, tls });
  await checkNodes(http, processes, options.gpuResource ?? "nvidia.com/gpu");
  const run = `pangaea-${randomBytes(5).toString("hex")}`;
  const groups = groupsOf(processes);
  const pods = { ...options, namespace, graceSeconds };
  const together = await wantsJobSet(http, options);
  const objects = together
    ? [jobSetOf(run, groups, pods)]
    : groups.map((group) => jobOf(run, group, pods));
  const closing: (() => void)[] = [];
  const close = (): void => {
    for (const one of closing.splice(0)) one();
  };
  const remove = (): Promise<void> => removeAll(http, namespace, objects);
  const nameOf = (group: Group): string => `${jobName(run, group)}${together ? "-0" : ""}`;
  const farewell = (graceSeconds + FAREWELL_SECONDS) * SECOND;
  const seats = new Seats(http, namespace, groups, nameOf, {
    ...{ timers, patience, farewell, waiting },
  });
  let following: Promise<void> | undefined;
  try {
    for (const object of objects) {
      scope.throwIfCancelled();
      const what = `${object.kind.toLowerCase()}/${object.metadata.name}`;
      const command = `kubectl delete ${what} --namespace ${namespace}`;
      if (options.ledger) closing.push(options.ledger.add(what, command));
      await create(http, namespace, object);
    }
    following = seats.follow(`${RUN_LABEL}=${run}`);
    let removed: Promise<void> | undefined;
    const removeOnce = (): Promise<void> =>
      (removed ??= remove().then(close, (error: unknown) => {
        seats.stop();
        throw error;
      }));
    const placed = await allOrNone(processes, async (p) => seats.started(p, removeOnce), scope);
    scope.spawn(async () => following);
    return placed;
  } catch (error) {
    await remove().then(close, () => {});
    seats.stop();
    await following;
    throw error;
  }
}

/** What only the scheduler could say otherwise; without the right to see nodes, it will. */
async function checkNodes(
  http: HttpClient,
  processes: readonly PlacedProcess[],
  gpuResource: string,
): Promise<void> {
  const { status, body } = await http.send("GET", "/api/v1/nodes");
  if (status >= 300) return;
  const { items = [] } = body as { readonly items?: readonly KubeNode[] };
  const machines = items.map((node) => machineOf(node, gpuResource));
  throwIssues(processes.flatMap((process) => unmetByMachines(process, machines)));
}

async function wantsJobSet(http: HttpClient, { jobSet }: KubernetesOptions): Promise<boolean> {
  if (jobSet === "never") return false;
  const { status } = await http.send("GET", "/apis/jobset.x-k8s.io/v1alpha2");
  return status < 300;
}

const folderOf = (namespace: string, { apiVersion, kind }: KubeObject): string =>
  `/apis/${apiVersion}/namespaces/${namespace}/${kind.toLowerCase()}s`;

async function create(http: HttpClient, namespace: string, object: KubeObject): Promise<void> {
  const made = (await http.ask("POST", folderOf(namespace, object), object, true)) as {
    readonly kind?: string;
    readonly spec?: { readonly backoffLimitPerIndex?: number };
  };
  // What a server does not know it drops without a word; what it has made is read back.
  if (made.kind !== "Job" || made.spec?.backoffLimitPerIndex !== undefined) return;
  throw new PangaeaError("SCHEDULER_REFUSED", `${http.who} knows no backoffLimitPerIndex`, {
    fix: "Kubernetes 1.29 or later is needed",
  });
}

/** Also what was perhaps never made. */
async function removeAll(
  http: HttpClient,
  namespace: string,
  objects: readonly KubeObject[],
): Promise<void> {
  const options = { apiVersion: "v1", kind: "DeleteOptions", propagationPolicy: "Foreground" };
  const deletions = objects.map(async (object) => {
    const path = `${folderOf(namespace, object)}/${object.metadata.name}`;
    await http.ask("DELETE", path, options).catch((error: unknown) => {
      if (!/ answered 404\b/.test(String(error))) throw error;
    });
  });
  const failed = (await Promise.allSettled(deletions)).find((one) => one.status === "rejected");
  if (failed) throw failed.reason;
}
