/** An agent that is a process: the hosts of its runs are its children, and others dial them. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { HostEnd } from "../live/fleet.ts";
import { launch } from "../live/launch.ts";
import type { HostAddress, HostSetup, Relayed } from "../live/protocol.ts";
import { listen } from "../wire/listen.ts";
import type { Credentials } from "../wire/options.ts";
import type { StartHost } from "./assignment.ts";
import { type MemberOptions, serveMember } from "./serving.ts";

export interface AgentOptions extends Omit<MemberOptions, "address" | "startHost"> {
  readonly means: HostSetup["means"];
  readonly listen: HostAddress;
  readonly advertise: HostAddress | undefined;
  readonly credentials: Credentials | undefined;
  /** For hosts that cannot dial each other. */
  readonly relayed: Relayed | undefined;
}

/** Serves until the signal, or until the one run is over. */
export async function serveAgent(options: AgentOptions): Promise<void> {
  const { advertise, listen: place } = options;
  await tryToListen(options);
  const folders = new Folders();
  try {
    await serveMember({
      ...options,
      address: (advertise ?? place).host,
      startHost: childProcesses(options, folders),
    });
  } finally {
    await folders.close();
  }
}

/** Where its hosts are to listen, somebody must be able to: better known now than in a run. */
async function tryToListen({ listen: place, credentials }: AgentOptions): Promise<void> {
  const nobody = { name: "", run: "", version: "", token: "", accept: () => {} };
  const listener = await listen(place, { ...nobody, ...(credentials && { credentials }) });
  await listener.close();
}

/**
 * What the hosts of each run keep: a host that ends in order takes its folder with it; in that of one that died, another
 * host of the run finds the stores of its nodes, as long as the agent is there.
 */
class Folders {
  readonly #of = new Map<string, string>();

  async open(run: string): Promise<string> {
    const folder = this.#of.get(run) ?? (await mkdtemp(join(tmpdir(), "pangaea-")));
    this.#of.set(run, folder);
    return folder;
  }

  async ended(run: string, { how }: HostEnd): Promise<void> {
    const folder = this.#of.get(run);
    if (how !== IN_ORDER || folder === undefined) return;
    this.#of.delete(run);
    await rm(folder, { recursive: true, force: true });
  }

  async close(): Promise<void> {
    for (const folder of this.#of.values()) await rm(folder, { recursive: true, force: true });
  }
}

const IN_ORDER = "exit code 0";

/** Each host is a process. */
function childProcesses(options: AgentOptions, folders: Folders): StartHost {
  const { listen, advertise, credentials, relayed, means, version } = options;
  return async (order, onMessage) => {
    const folder = await folders.open(order.run);
    const meeting = { kind: "network" as const, listen, advertise, credentials, relayed };
    const running = launch("processes", { ...order, folder, version, meeting, means }, onMessage);
    const ended = running.ended.then(async (end): Promise<HostEnd> => {
      await folders.ended(order.run, end);
      return end;
    });
    return { ...running, ended };
  };
}
