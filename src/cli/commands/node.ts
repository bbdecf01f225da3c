/** `pangaea node`: this process as an agent of a cluster, or as a coordinator that stands by, or both. */
import { availableParallelism, hostname, totalmem } from "node:os";
import { InputError } from "../../core/errors.ts";
import { Scope } from "../../core/scope.ts";
import { RunSpec } from "../../run/spec.ts";
import type { Bus } from "../../world/bus/contract.ts";
import type { BusNotice } from "../../world/bus/nats-options.ts";
import { realTimers } from "../../world/bus/timers.ts";
import { type ClusterAccess, DEFAULT_NATS, joinBus } from "../../world/cluster/access.ts";
import { serveAgent } from "../../world/cluster/agent.ts";
import { COORDINATOR } from "../../world/cluster/orders.ts";
import { onParentGone } from "../../world/cluster/place/parent.ts";
import { DUTIES } from "../../world/cluster/roster.ts";
import { standBy } from "../../world/cluster/standby.ts";
import { asWord } from "../../world/cluster/subjects.ts";
import { addressOf, clusterAccess } from "../cluster.ts";
import { EXIT } from "../exit.ts";
import { dataRoots } from "../folders.ts";
import { serveHealth } from "../health.ts";
import type { Io } from "../io.ts";
import { leadSession } from "../lead.ts";
import type { ClusterOptions, CommonOptions } from "../options.ts";

export interface NodeOptions extends CommonOptions, ClusterOptions {
  readonly site?: string | undefined;
  readonly roles: readonly string[];
  readonly name?: string | undefined;
  readonly listen?: string | undefined;
  readonly advertise?: string | undefined;
  readonly label?: readonly string[] | undefined;
  readonly slots: number;
  readonly data?: string | undefined;
  readonly threads: number;
  readonly health?: string | undefined;
  readonly once?: string | undefined;
}

export async function nodeCommand(options: NodeOptions, io: Io): Promise<number> {
  const { site, roles } = options;
  checkRoles(roles);
  const duties = roles.filter((role) => role !== COORDINATOR);
  if (duties.length > 0 && site === undefined)
    throw wrong("BAD_SETTING", "an agent stands at a site", "--site NAME");
  const controller = new AbortController();
  const leave = (): void => controller.abort();
  const release = io.onInterrupt(leave);
  process.once("SIGTERM", leave);
  onParentGone(leave);
  const joined = new Map<string, boolean>();
  const health =
    options.health === undefined
      ? undefined
      : await serveHealth(addressOf(options.health), () => [...joined.values()].every(Boolean));
  const here = { io, signal: controller.signal, leave, joined };
  try {
    const serving = [
      ...(roles.includes(COORDINATOR) ? [serveStandby(options, here)] : []),
      ...(site !== undefined && duties.length > 0 ? [serveSite(options, site, duties, here)] : []),
    ];
    // Where one of them fails the other leaves as well.
    await Promise.all(serving.map((one) => one.finally(leave)));
  } finally {
    release();
    process.off("SIGTERM", leave);
    await health?.close();
  }
  return EXIT.done;
}

/** This process, and what it is told. */
interface Here {
  readonly io: Io;
  readonly signal: AbortSignal;
  readonly leave: () => void;
  /** Whether each of its connections stands. */
  readonly joined: Map<string, boolean>;
}

async function withBus(
  { nats = DEFAULT_NATS }: NodeOptions,
  id: string,
  access: ClusterAccess,
  { io, leave, joined, signal }: Here,
  use: (bus: Bus, notify: (text: string) => void) => Promise<void>,
): Promise<void> {
  const notify = (text: string): void => io.err(`${text}\n`);
  joined.set(id, false);
  const hear = (notice: BusNotice): void => {
    if (notice.type !== "refused") joined.set(id, notice.type === "reconnected");
    if (notice.type === "refused") notify(`NATS refuses to ${notice.operation} ${notice.subject}`);
    else notify(`NATS: ${notice.type}`);
    if (notice.type === "ended") leave();
  };
  const scope = new Scope();
  const stop = (): void => scope.cancel("it leaves");
  signal.addEventListener("abort", stop, { once: true });
  const bus = await joinBus(nats, id, access, { notify: hear, tell: notify, scope }).catch(
    (error: unknown) => {
      if (scope.cancelled === undefined) throw error;
    },
  );
  signal.removeEventListener("abort", stop);
  if (!bus) return;
  joined.set(id, true);
  await use(bus, notify).finally(() => bus.close());
}

function serveSite(
  options: NodeOptions,
  site: string,
  roles: readonly string[],
  here: Here,
): Promise<void> {
  const { domain, slots, threads, once, nats: servers = DEFAULT_NATS } = options;
  const { io, signal } = here;
  const access = clusterAccess(options, "node", io);
  const id = options.name ?? asWord(`${site}/${nameHere()}`).replaceAll(".", "-");
  return withBus(options, id, access, here, (bus, notify) =>
    serveAgent({
      ...{ bus, domain, id, site, roles, notify, once, signal },
      timers: realTimers(),
      resources: {
        ...labelsOf(options.label ?? []),
        ...{ slots, cores: availableParallelism(), memoryBytes: totalmem() },
      },
      version: access.version,
      coordinatorKey: access.coordinatorKey,
      means: { roots: dataRoots(io, undefined, options.data), threads },
      listen: addressOf(options.listen ?? "127.0.0.1"),
      advertise: options.advertise === undefined ? undefined : addressOf(options.advertise),
      credentials: access.tls,
      relayed: { servers, seed: access.seed, tls: access.tls },
    }),
  );
}

/** Goes on with runs whose coordinator has gone: log, report and models lie in this machine's folder of runs. */
function serveStandby(options: NodeOptions, here: Here): Promise<void> {
  const { domain, threads, nats = DEFAULT_NATS } = options;
  const { io, signal } = here;
  const access = clusterAccess(options, COORDINATOR, io);
  const roots = dataRoots(io, undefined, options.data);
  const id = `${COORDINATOR} ${nameHere()}`;
  // A signal hands the run on; it does not end it.
  const own: Io = { ...io, onInterrupt: () => () => {} };
  return withBus(options, id, access, here, (bus, tell) => {
    tell("stands by for runs whose coordinator goes");
    const session = { roots, threads, cluster: access, out: undefined, quiet: true };
    return standBy({
      bus,
      place: { nats, domain, access, signal, tell },
      lead: async (taken) => {
        const spec = RunSpec.parse(taken.record.spec);
        const { failure, conclusion, out } = await leadSession(spec, taken, own, session);
        if (failure !== undefined) throw failure;
        tell(`run ${taken.record.run} is over; report ${out}/report.html\n${conclusion}`.trim());
      },
    });
  });
}

const nameHere = (): string => `${hostname()}-${process.pid}`;

const ROLES: readonly string[] = [...DUTIES, COORDINATOR];

function checkRoles(roles: readonly string[]): void {
  const unknown = roles.find((role) => !ROLES.includes(role));
  if (unknown === undefined && roles.length > 0) return;
  throw wrong(
    "BAD_ROLE",
    `${unknown ?? "nothing"} is no role of a node`,
    `--roles ${ROLES.join(",")}`,
  );
}

const wrong = (code: string, message: string, fix: string): InputError =>
  new InputError([{ code, message, fix }]);

/** Numbers as numbers, so that a run can ask for `gpus: 2`. */
function labelsOf(labels: readonly string[]): Record<string, string | number> {
  const entries = labels.map((label) => {
    const [key = "", ...rest] = label.split("=");
    const value = rest.join("=");
    if (key === "" || rest.length === 0)
      throw wrong("BAD_SETTING", `--label ${label}`, "--label key=value");
    const number = Number(value);
    return [key, value !== "" && Number.isFinite(number) ? number : value] as const;
  });
  return Object.fromEntries(entries);
}
