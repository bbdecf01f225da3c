/** What a run in real time stands on: its hosts, where each node runs, and where the hosts come from. */
import type { NodeId } from "../core/ids.ts";
import type { Micros } from "../core/units.ts";
import type { Facts } from "../data/own/contract.ts";
import type { RunFile } from "../world/bus/run-files.ts";
import type { NodeInfo } from "../world/contract.ts";
import type { Fleet } from "../world/live/fleet.ts";
import { localFleet } from "../world/local/fleet.ts";
import type { MemberChange } from "../world/members.ts";
import type { RunHost } from "./host.ts";
import type { LiveLinks, SharedGround } from "./live-host.ts";
import type { LocalWorldSpec, RunSpec } from "./spec.ts";

export interface Begun {
  readonly goAt: readonly Micros[];
  readonly members: readonly MemberChange[];
  /** What the sites told of their records, where these stay there. */
  readonly facts?: Facts | undefined;
}

export interface Stage {
  /** Of the hosts; unique. */
  readonly names: readonly string[];
  /** The number of each node's host. */
  readonly hostOf: Readonly<Record<NodeId, number>>;
  readonly fleet: Fleet;
  readonly links: LiveLinks;
  /** Data and model in memory that the hosts share with the supervisor. */
  readonly shared: SharedGround | undefined;
  /** What hosts of other machines get from where the run is led. */
  readonly files?: readonly RunFile[] | undefined;
  /** What the times of the run are, for the log. */
  readonly note: string;
  /** The run goes on already: when it began on each host's machine's clock, and who has come and gone. */
  readonly begun?: Begun | undefined;
  /** Writes down what another coordinator must know. */
  readonly record?: ((what: Partial<Begun>) => void) | undefined;
  /** Settles when the run is led from elsewhere. */
  readonly lost?: Promise<Error> | undefined;
  /** After the hosts have ended. */
  close(): Promise<void>;
}

/** One host a site, as threads or processes of this machine. */
export function localStage(
  spec: RunSpec,
  world: LocalWorldSpec,
  { data, model }: SharedGround,
  nodes: Iterable<NodeInfo>,
  host: RunHost,
): Stage {
  const all = [...nodes];
  const names = [...new Set(all.map((node) => node.site as string))];
  const means = { roots: host.roots, threads: Math.min(1, host.threads) };
  const { hosts, pace, links } = world;
  return {
    names,
    hostOf: Object.fromEntries(all.map((node) => [node.id, names.indexOf(node.site)])),
    fleet: localFleet(hosts, names, means),
    links: { pace, shaped: links === "shaped" },
    shared: hosts === "threads" ? { data, ...(model && { model }) } : undefined,
    note: `local world: times are real; each site is one of this machine's ${hosts}, ${stepsNote(spec, pace)}, links are ${links}`,
    close: async () => {},
  };
}

/** How long steps last. */
export function stepsNote({ sites: { processor } }: RunSpec, pace: LiveLinks["pace"]): string {
  if (pace === "real") return "steps last as long as they take here";
  const declared =
    processor.msPerBatch === undefined
      ? `${processor.gflops} GFLOP/s`
      : `${processor.msPerBatch} ms a batch`;
  return `steps last at least as long as at ${declared}`;
}
