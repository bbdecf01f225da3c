/** `pangaea node`: this process as an agent of a cluster. */
import { availableParallelism, hostname, totalmem } from "node:os";
import { InputError } from "../../core/errors.ts";
import { realTimers } from "../../world/bus/timers.ts";
import { DEFAULT_NATS, joinBus } from "../../world/cluster/access.ts";
import { serveAgent } from "../../world/cluster/agent.ts";
import { onParentGone } from "../../world/cluster/place/parent.ts";
import { DUTIES } from "../../world/cluster/roster.ts";
import { asWord } from "../../world/cluster/subjects.ts";
import { addressOf, clusterAccess } from "../cluster.ts";
import { EXIT } from "../exit.ts";
import { dataRoots } from "../folders.ts";
import { serveHealth } from "../health.ts";
import type { Io } from "../io.ts";
import type { ClusterOptions, CommonOptions } from "../options.ts";

export interface NodeOptions extends CommonOptions, ClusterOptions {
  readonly site: string;
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
  const { site, roles, domain, slots, threads, once } = options;
  checkRoles(roles);
  const access = clusterAccess(options, "node", io);
  const id = options.name ?? asWord(`${site}/${hostname()}-${process.pid}`).replaceAll(".", "-");
  const controller = new AbortController();
  const notify = (text: string): void => io.err(`${text}\n`);
  const servers = options.nats ?? DEFAULT_NATS;
  let joined = false;
  const health =
    options.health === undefined
      ? undefined
      : await serveHealth(addressOf(options.health), () => joined);
  const bus = await joinBus(servers, id, access, (notice) => {
    if (notice.type !== "refused") joined = notice.type === "reconnected";
    if (notice.type === "refused") notify(`NATS refuses to ${notice.operation} ${notice.subject}`);
    else notify(`NATS: ${notice.type}`);
    if (notice.type === "ended") controller.abort();
  });
  joined = true;
  const leave = (): void => controller.abort();
  const release = io.onInterrupt(leave);
  process.once("SIGTERM", leave);
  onParentGone(leave);
  try {
    await serveAgent({
      ...{ bus, domain, id, site, roles, notify, once, signal: controller.signal },
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
    });
  } finally {
    release();
    process.off("SIGTERM", leave);
    await bus.close();
    await health?.close();
  }
  return EXIT.done;
}

function checkRoles(roles: readonly string[]): void {
  const unknown = roles.find((role) => !(DUTIES as readonly string[]).includes(role));
  if (unknown === undefined && roles.length > 0) return;
  const message = `${unknown ?? "nothing"} is no role of an agent`;
  throw new InputError([{ code: "BAD_ROLE", message, fix: `--roles ${DUTIES.join(",")}` }]);
}

/** Numbers as numbers, so that a run can ask for `gpus: 2`. */
function labelsOf(labels: readonly string[]): Record<string, string | number> {
  const entries = labels.map((label) => {
    const [key = "", ...rest] = label.split("=");
    const value = rest.join("=");
    if (key === "" || rest.length === 0)
      throw new InputError([
        { code: "BAD_SETTING", message: `--label ${label}`, fix: "--label key=value" },
      ]);
    const number = Number(value);
    return [key, value !== "" && Number.isFinite(number) ? number : value] as const;
  });
  return Object.fromEntries(entries);
}
