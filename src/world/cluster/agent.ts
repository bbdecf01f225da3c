/** An agent that is a process: the hosts of its runs are its children, and others dial them. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { HostEnd } from "../live/fleet.ts";
import { launch } from "../live/launch.ts";
import type { HostAddress, HostSetup, Relayed } from "../live/protocol.ts";
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
export function serveAgent(options: AgentOptions): Promise<void> {
  const { advertise, listen } = options;
  return serveMember({
    ...options,
    address: (advertise ?? listen).host,
    startHost: childProcesses(options),
  });
}

/** Each host is a process with a folder of its own, which goes with it. */
function childProcesses(options: AgentOptions): StartHost {
  const { listen, advertise, credentials, relayed, means, version } = options;
  return async (order, onMessage) => {
    const folder = await mkdtemp(join(tmpdir(), "pangaea-"));
    const meeting = { kind: "network" as const, listen, advertise, credentials, relayed };
    const running = launch("processes", { ...order, folder, version, meeting, means }, onMessage);
    const ended = running.ended.then(async (end): Promise<HostEnd> => {
      await rm(folder, { recursive: true, force: true });
      return end;
    });
    return { ...running, ended };
  };
}
