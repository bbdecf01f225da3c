/** What a supervisor and its hosts say to each other, over a thread's port, a process's channel, or the bus. */
import type { MessagePort } from "node:worker_threads";
import { InputError, type InputIssue, PangaeaError } from "../../core/errors.ts";
import type { RunEvent } from "../../core/events.ts";
import type { NodeId } from "../../core/ids.ts";
import type { Micros } from "../../core/units.ts";
import type { MemberChange } from "../members.ts";
import type { Credentials } from "../wire/options.ts";

/** How a host is run. */
export type HostKind = "threads" | "processes";

/** Where a host of a cluster is dialled. */
export interface HostAddress {
  readonly host: string;
  readonly port: number;
}

/** The bus over which hosts reach each other that cannot dial each other. */
export interface Relayed {
  readonly servers: readonly string[];
  readonly seed: string | undefined;
  readonly tls: Credentials | undefined;
}

/** How the hosts of a run find each other. */
export type Meeting =
  /** Threads: a channel to each other host, by its number. */
  | { readonly kind: "channels"; readonly ports: ReadonlyMap<number, MessagePort> }
  /** Processes of one machine: sockets in the folder. */
  | { readonly kind: "sockets" }
  /** Machines: the supervisor tells the addresses. */
  | {
      readonly kind: "network";
      /** Port 0: any that is free. */
      readonly listen: HostAddress;
      /** What others dial, where it is not what this one listens at; port 0: the port that it listens at. */
      readonly advertise: HostAddress | undefined;
      /** Required beyond loopback. */
      readonly credentials: Credentials | undefined;
      readonly relayed: Relayed | undefined;
    }
  /** A page: it cannot be dialled, and dials nobody. */
  | { readonly kind: "relayed" };

/** What a host gets when it starts. */
export interface HostSetup {
  /** Its number, and the names of all hosts by theirs. */
  readonly host: number;
  readonly names: readonly string[];
  /** Sites of the hosts, by their numbers; absent: all stand at one. */
  readonly sites?: readonly string[] | undefined;
  /** Sockets and stores lie here. */
  readonly folder: string;
  /** Of this run alone: hosts of another one are turned away. */
  readonly run: string;
  readonly token: string;
  /** Of the program: hosts of another one are turned away. */
  readonly version: string;
  readonly meeting: Meeting;
  /** What this machine has for the run: folders of data, and compute threads (0: the host's own). */
  readonly means: { readonly roots: readonly string[]; readonly threads: number };
  /** What the run's own part of a host is told. */
  readonly task: unknown;
}

/** The peer that is no host: the supervisor, where it joins the data plane to be told of copies. */
export const DESK = "desk";

export type ToHost =
  /** All others listen: dial some of them, and wait until so many are joined. In a cluster the address of each. */
  | {
      readonly type: "join";
      readonly dial: readonly number[];
      readonly peers: number;
      readonly addresses: readonly (HostAddress | undefined)[];
    }
  /** The other end could not dial this one: dial it. */
  | { readonly type: "dial"; readonly host: number; readonly address: HostAddress }
  /** Neither end can dial the other. */
  | { readonly type: "relay"; readonly host: number }
  /** Start the programs at this instant of the machine's clock; what has changed since the run was planned. */
  | { readonly type: "go"; readonly at: Micros; readonly members: readonly MemberChange[] }
  /** Nodes have left, perhaps with a host; or have come, perhaps with a host that has joined this one. */
  | {
      readonly type: "members";
      readonly changes: readonly MemberChange[];
      readonly left?: number | undefined;
      readonly came?: number | undefined;
    }
  /** To all that have reported, before they join: what follows from all reports. */
  | { readonly type: "briefing"; readonly what: unknown }
  | { readonly type: "stop"; readonly reason: string }
  /** To hosts that keep their events, from another supervisor than before: tell them again, from the first. */
  | { readonly type: "retell" }
  | { readonly type: "waits" }
  /** A question of the run's own part; answered with the same id. */
  | { readonly type: "ask"; readonly id: number; readonly what: unknown }
  /** Of the run's bus, where the fleet keeps one. */
  | { readonly type: "bus"; readonly frame: Uint8Array }
  | { readonly type: "leave" };

export type FromHost =
  /** Before it joins: what the run's part must know of this host to plan. */
  | { readonly type: "report"; readonly what: unknown }
  | { readonly type: "listening"; readonly address?: HostAddress | undefined }
  /** This host cannot dial that one. */
  | { readonly type: "unreached"; readonly host: number; readonly why: string }
  | { readonly type: "joined" }
  /** It was told to go. */
  | { readonly type: "begun" }
  /** Events so far; none of before `until` will follow. `again`: all since the start, as `retell` asks. */
  | {
      readonly type: "events";
      readonly until: Micros;
      readonly events: readonly RunEvent[];
      readonly again?: true;
    }
  | { readonly type: "ended"; readonly node: NodeId }
  /** The host or a node of it failed; the host unwinds. */
  | { readonly type: "failed"; readonly failure: PortableError }
  /** The connection to another host ended, not in order. */
  | { readonly type: "broken"; readonly peer: string; readonly failure: PortableError }
  | { readonly type: "waits"; readonly lines: readonly string[] }
  /** All programs have unwound, all events are out. */
  | { readonly type: "stopped" }
  | { readonly type: "said"; readonly what: unknown }
  | { readonly type: "answer"; readonly id: number; readonly what: unknown }
  /** To the run's bus, where the fleet keeps one; nobody else hears it. */
  | { readonly type: "bus"; readonly frame: Uint8Array }
  /** Something about this machine that the user should know. */
  | { readonly type: "warning"; readonly text: string };

/** A host's way to its supervisor. */
export interface HostPort {
  post(message: FromHost): void;
  onMessage(handler: (message: ToHost) => void): void;
  /** Ends the thread or process. */
  exit(): void;
}

/** An error in a form that crosses to another process. */
export interface PortableError {
  readonly code: string | undefined;
  readonly message: string;
  readonly stack: string | undefined;
  readonly fix: string | undefined;
  readonly issues: readonly InputIssue[] | undefined;
  /** Of its cause. */
  readonly cause?: Pick<PortableError, "message" | "stack"> | undefined;
}

export function portable(error: unknown): PortableError {
  const { code, message, stack, fix, issues, cause } = (
    error instanceof Error ? error : new Error(String(error))
  ) as Error & Partial<PangaeaError & InputError>;
  return {
    ...{ code: typeof code === "string" ? code : undefined, message, stack, fix, issues },
    ...(cause instanceof Error && { cause: { message: cause.message, stack: cause.stack } }),
  };
}

export function restored(portable: PortableError): PangaeaError {
  const { code, message, stack, fix, issues, cause: told } = portable;
  if (issues) return new InputError(issues);
  const cause = told && Object.assign(new Error(told.message), { stack: told.stack });
  const error = new PangaeaError(code ?? "HOST_FAILED", message, { fix, cause });
  if (stack !== undefined) error.stack = stack;
  return error;
}
