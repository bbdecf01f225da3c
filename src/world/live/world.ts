/** The world of one node in real time. */
import type { Condition } from "../../core/condition.ts";
import { PangaeaError } from "../../core/errors.ts";
import type { RunEvent } from "../../core/events.ts";
import type { NodeId } from "../../core/ids.ts";
import type { Kernels } from "../../core/kernels/contract.ts";
import type { Random } from "../../core/random.ts";
import { Scope } from "../../core/scope.ts";
import type { Bytes, Flops } from "../../core/units.ts";
import type { StepResult } from "../../model/learner.ts";
import type { ComputePool } from "../compute/contract.ts";
import type {
  Clock,
  Handler,
  Network,
  NodeInfo,
  PathEstimate,
  Store,
  Work,
  World,
} from "../contract.ts";
import { type Handling, Mailbox } from "../mailbox.ts";
import type { MemberChange, Members, MemberView } from "../members.ts";
import type { Header, MessageKind } from "../message.ts";
import type { Processor } from "../processor.ts";
import { Waits } from "../waits.ts";
import type { Parcel } from "../wire/contract.ts";
import type { LocalNetwork, Receiver } from "./network.ts";
import { nextTurn } from "./turn.ts";

const NO_PAYLOAD: readonly ArrayBufferView[] = [];

/** What the nodes of a host share. */
export interface Surroundings {
  readonly clock: Clock;
  readonly network: LocalNetwork;
  readonly compute: ComputePool;
  readonly kernels: Kernels;
  readonly onEvent: (event: RunEvent) => void;
  /** A handler of the node threw, or was sent what it must not get. */
  readonly onFailure: (node: NodeId, error: unknown) => void;
}

export interface NodeParts {
  readonly node: NodeInfo;
  readonly store: Store;
  readonly random: Random;
  /** What the host knew when the node began. */
  readonly members: MemberView;
  /** A step lasts at least as long as it would take here; absent: as long as it takes. */
  readonly processor: Processor | undefined;
}

export class LocalWorld implements World, Network, Receiver {
  readonly node: NodeInfo;
  readonly clock: Clock;
  readonly kernels: Kernels;
  readonly random: Random;
  readonly store: Store;
  /** Cancelled when the run stops. */
  readonly scope = new Scope();
  readonly #around: Surroundings;
  readonly #members: MemberView;
  readonly #processor: Processor | undefined;
  readonly #mailbox: Mailbox<Parcel>;
  readonly #waits = new Waits();
  #ended = false;

  constructor(around: Surroundings, parts: NodeParts) {
    this.#around = around;
    this.node = parts.node;
    this.clock = around.clock;
    this.kernels = around.kernels;
    this.random = parts.random;
    this.store = parts.store;
    this.#members = parts.members;
    this.#processor = parts.processor;
    this.#mailbox = new Mailbox(this.node.id, (handling, parcel) => this.#open(handling, parcel));
    around.network.attach(this.node.id, this);
  }

  get network(): Network {
    return this;
  }

  get members(): Members {
    return this.#members;
  }

  /** News of who takes part. */
  hear(change: MemberChange): void {
    if (this.#ended) return;
    try {
      this.#members.apply(change);
    } catch (error) {
      this.#around.onFailure(this.node.id, error);
    }
  }

  send(
    to: NodeId,
    kind: MessageKind,
    header: Header,
    payload: readonly ArrayBufferView[] = NO_PAYLOAD,
  ): void {
    this.#around.network.send(this.node.id, to, kind, header, payload);
  }

  handle(kind: MessageKind, handler: Handler): void {
    this.#mailbox.handle(kind, handler, nextTurn);
  }

  backlog(to: NodeId): Bytes {
    return this.#around.network.backlog(this.node.id, to);
  }

  drained(to: NodeId, bytes: Bytes, scope: Scope): Promise<void> {
    const waiting = { scope, condition: () => this.condition() };
    return this.#around.network.drained(this.node.id, to, bytes, waiting);
  }

  estimate(to: NodeId): PathEstimate {
    return this.#around.network.estimate(this.node.id, to);
  }

  compute(work: Work, scope: Scope): Promise<StepResult> {
    if (scope.cancelled) return Promise.reject(scope.cancelled);
    const { clock, compute } = this.#around;
    const end = this.#processor?.submit(work.flops, clock.now()) ?? 0;
    return new Promise((resolve, reject) => {
      const release = scope.onCancel(reject);
      const paced = async (): Promise<StepResult> => {
        const result = await compute.step(work);
        const early = end - clock.now();
        if (early > 0) await clock.sleep(early, scope);
        return result;
      };
      paced().then(resolve, reject).finally(release);
    });
  }

  async spend(work: () => Promise<Flops>, scope: Scope): Promise<Flops> {
    scope.throwIfCancelled();
    const { clock } = this.#around;
    const began = clock.now();
    const flops = await work();
    const early = (this.#processor?.submit(flops, began) ?? 0) - clock.now();
    if (early > 0) await clock.sleep(early, scope);
    // Work without a pause would keep this host's messages waiting.
    else await new Promise<void>((resolve) => nextTurn(resolve));
    scope.throwIfCancelled();
    return flops;
  }

  condition(): Condition {
    return this.#waits.condition();
  }

  emit(event: RunEvent): void {
    this.#around.onEvent(event);
  }

  /** The program returned: what still comes is dropped. */
  end(): void {
    this.#ended = true;
    this.#mailbox.clear();
  }

  /** One line for each thing that the node waits for. */
  waits(): readonly string[] {
    return this.#waits.lines();
  }

  receive(parcel: Parcel): void {
    if (this.#ended || !this.#members.present(parcel.from)) return;
    this.#mailbox.take(parcel.kind, parcel, true);
  }

  #open({ kind, handler }: Handling, { from, to, queue, header, payload }: Parcel): void {
    if (this.#ended || !this.#members.present(from)) return;
    try {
      if (queue !== kind.queue) {
        throw new PangaeaError("WRONG_SENDER", `"${kind.name}" came from ${from} as ${queue}`);
      }
      if (kind.carries === "records") this.#around.network.checkPolicy(from, to, kind);
      handler({ kind, header, payload }, from);
    } catch (error) {
      this.#around.onFailure(this.node.id, error);
    }
  }
}
