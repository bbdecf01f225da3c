/** What a supervisor and its hosts say to each other, over a thread's port or a process's channel. */
import type { MessagePort } from "node:worker_threads";
import { InputError, type InputIssue, PangaeaError } from "../../core/errors.ts";
import type { RunEvent } from "../../core/events.ts";
import type { NodeId } from "../../core/ids.ts";
import type { Micros } from "../../core/units.ts";

/** How a host is run. */
export type HostKind = "threads" | "processes";

/** What a host gets when it starts. */
export interface HostSetup {
  /** Its number, and the names of all hosts by theirs. */
  readonly host: number;
  readonly names: readonly string[];
  /** Sockets and stores lie here. */
  readonly folder: string;
  /** Of this run alone: hosts of another one are turned away. */
  readonly run: string;
  readonly token: string;
  /** Threads: a channel to each other host, by its number. Processes meet at sockets in the folder. */
  readonly ports: ReadonlyMap<number, MessagePort> | undefined;
  /** What the run's own part of a host is told. */
  readonly task: unknown;
}

export type ToHost =
  /** All others listen: join them. */
  | { readonly type: "join" }
  /** Start the programs at this instant of the machine's clock. */
  | { readonly type: "go"; readonly at: Micros }
  | { readonly type: "stop"; readonly reason: string }
  | { readonly type: "waits" }
  /** A question of the run's own part; answered with the same id. */
  | { readonly type: "ask"; readonly id: number; readonly what: unknown }
  | { readonly type: "leave" };

export type FromHost =
  | { readonly type: "listening" }
  | { readonly type: "joined" }
  /** Events so far; none of before `until` will follow. */
  | { readonly type: "events"; readonly until: Micros; readonly events: readonly RunEvent[] }
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
}

export function portable(error: unknown): PortableError {
  const { code, message, stack, fix, issues } = (
    error instanceof Error ? error : new Error(String(error))
  ) as Error & Partial<PangaeaError & InputError>;
  return { code: typeof code === "string" ? code : undefined, message, stack, fix, issues };
}

export function restored({ code, message, stack, fix, issues }: PortableError): PangaeaError {
  if (issues) return new InputError(issues);
  const error = new PangaeaError(code ?? "HOST_FAILED", message, { fix });
  if (stack !== undefined) error.stack = stack;
  return error;
}
