/**
 * The world of a node: the only way for a node program to learn the time, talk, draw at random, keep
 * something, compute, or report. The same program runs in virtual time (`simulated`) and in real time
 * (`local`, `cluster`) and cannot tell which.
 */
import type { Condition } from "../core/condition.ts";
import type { RunEvent } from "../core/events.ts";
import type { NodeId, Role, SiteId } from "../core/ids.ts";
import type { Kernels } from "../core/kernels/contract.ts";
import type { Random } from "../core/random.ts";
import type { Scope } from "../core/scope.ts";
import type { BitsPerSecond, Bytes, Flops, Micros } from "../core/units.ts";
import type { StepResult } from "../model/learner.ts";
import type { Members } from "./members.ts";
import type { Header, Message, MessageKind } from "./message.ts";

export interface NodeInfo {
  readonly id: NodeId;
  readonly site: SiteId;
  readonly role: Role;
  /** Index among the nodes of this role at this site. */
  readonly index: number;
}

export interface Clock {
  /** Microseconds since the run began. */
  now(): Micros;
  /** Resolves after `micros`; rejects with `CancelledError` when the scope is cancelled. */
  sleep(micros: Micros, scope: Scope): Promise<void>;
}

/** Answers a request (`undefined` for one-way messages). Runs at delivery; must not block. */
export type Handler = (message: Message, from: NodeId) => void;

/** What was measured, of late, of the way to a peer and back. Each figure is undefined until it was measured. */
export interface PathEstimate {
  /** Bulk that gets to the peer when there is enough of it. */
  readonly goodput: BitsPerSecond | undefined;
  /** The shortest round trip of control. */
  readonly roundTripMicros: Micros | undefined;
}

export interface Network {
  /**
   * Queues a message; it arrives once and in order per (from, to, queue) unless its kind is lossy.
   * Throws `PangaeaError` RECORDS_STAY when the kind carries records and the site's policy forbids it.
   */
  send(to: NodeId, kind: MessageKind, header: Header, payload?: readonly ArrayBufferView[]): void;
  /** Calls `handler` for each arriving message of the kind. One handler a kind. */
  handle(kind: MessageKind, handler: Handler): void;
  /** Bulk bytes that this node has sent to `to` and that have not yet left over the last shared link. */
  backlog(to: NodeId): Bytes;
  /** Resolves when `backlog(to) <= bytes`. */
  drained(to: NodeId, bytes: Bytes, scope: Scope): Promise<void>;
  /**
   * What the network has shown so far, whatever was declared of it. In the simulated world it follows from what the
   * links did, faults included, and repeats with the seed; in the live ones it is measured, and differs from run to run:
   * under lockstep (`staleness: 0`, bulk synchrony) nothing may depend on it. Between nodes that hand over in memory,
   * and to those that do not take part, nothing is measured.
   */
  estimate(to: NodeId): PathEstimate;
}

/** Durable per node: survives a crash of the program, not of the disk. */
export interface Store {
  put(key: string, value: Uint8Array): Promise<void>;
  get(key: string): Promise<Uint8Array | undefined>;
  append(key: string, value: Uint8Array): Promise<void>;
  /** All values appended under the key, in order. */
  list(key: string): Promise<readonly Uint8Array[]>;
}

/** A step of a learner, described as data: it runs in another thread. */
export interface Work {
  /** Ids under which the run registered the learner and the data set. */
  readonly learner: string;
  readonly dataset: string;
  /** Rows of the data set. */
  readonly rows: Uint32Array;
  /** Shared parameters; must not change until the work is done. Allocated with `kernels.allocate`. */
  readonly parameters: Float32Array;
  /** Private parameters; must not change until the work is done. */
  readonly own?: Float32Array | undefined;
  /** Written by the step: see `Learner.step`. Allocated with `kernels.allocate`. */
  readonly out: Float32Array;
  /** The modelled cost; the simulated clock charges it to the node's processor. */
  readonly flops: Flops;
  /** Whose step, and of which of its clocks: for logs, and for runs that are timed again. */
  readonly worker: number;
  readonly clock: number;
}

export interface World {
  readonly node: NodeInfo;
  readonly clock: Clock;
  readonly network: Network;
  /** Who takes part now. */
  readonly members: Members;
  readonly random: Random;
  readonly store: Store;
  readonly kernels: Kernels;
  /** Runs a step; resolves when it is done (at the modelled time in the simulated world). */
  compute(work: Work, scope: Scope): Promise<StepResult>;
  /**
   * Does work of the node's own that is no `Work` (a model that learns here, not in the pool) and takes the time for
   * the operations that it answers with: modelled in the simulated world, elsewhere as long as it took or as the
   * declared processor would. Whatever `work` awaits, no virtual time passes meanwhile. Answers the operations.
   */
  spend(work: () => Promise<Flops>, scope: Scope): Promise<Flops>;
  /** A condition that the world knows of, so that a deadlock report can name its waiters. */
  condition(): Condition;
  emit(event: RunEvent): void;
}

/** What a node runs. Returning ends the node; throwing fails the run. */
export type NodeProgram = (world: World, scope: Scope) => Promise<void>;
