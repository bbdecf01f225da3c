/** The world of one incarnation of a node: from the start of its program to its end or crash. */
import type { Condition } from "../../core/condition.ts";
import type { CancelledError } from "../../core/errors.ts";
import { invariant } from "../../core/errors.ts";
import type { RunEvent } from "../../core/events.ts";
import type { NodeId } from "../../core/ids.ts";
import type { Kernels } from "../../core/kernels/contract.ts";
import type { Random } from "../../core/random.ts";
import { Scope } from "../../core/scope.ts";
import type { Bytes, Flops, Micros } from "../../core/units.ts";
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
import { UNMEASURED } from "../link-meter.ts";
import { type Handling, Mailbox } from "../mailbox.ts";
import type { MemberChange, Members, MemberView } from "../members.ts";
import type { Header, Message, MessageKind } from "../message.ts";
import type { Processor } from "../processor.ts";
import { Waits } from "../waits.ts";
import type { EventLoop } from "./loop.ts";
import type { SimulatedNetwork } from "./network.ts";
import type { Port } from "./port.ts";
import { StepEvent, TimerEvent } from "./waits.ts";

const NO_PAYLOAD: readonly ArrayBufferView[] = [];

/** What the incarnations of all nodes share. */
export interface Surroundings {
  readonly loop: EventLoop;
  readonly network: SimulatedNetwork;
  readonly compute: ComputePool;
  readonly kernels: Kernels;
  readonly onEvent: (event: RunEvent) => void;
  /** A handler of the node threw. */
  readonly onFailure: (node: NodeId, error: unknown) => void;
}

/** What all incarnations of one node share. */
export interface NodeParts {
  readonly node: NodeInfo;
  readonly port: Port;
  readonly processor: Processor;
  readonly store: Store;
  readonly createRandom: () => Random;
}

interface Letter {
  readonly message: Message;
  readonly from: NodeId;
  /** Of the sender. */
  readonly incarnation: number;
}

export class SimulatedWorld implements World, Clock, Network {
  readonly node: NodeInfo;
  readonly store: Store;
  readonly kernels: Kernels;
  /** Cancelled when the run stops. */
  readonly scope = new Scope();
  /** False after a crash: nothing that this incarnation waits for ever settles. */
  alive = true;
  readonly #around: Surroundings;
  readonly #parts: NodeParts;
  #random: Random | undefined;
  readonly #mailbox: Mailbox<Letter>;
  /** Messages from incarnations that this node has not heard of yet. */
  #strange: Letter[] = [];
  readonly #members: MemberView;
  readonly #waits = new Waits();

  constructor(around: Surroundings, parts: NodeParts, members: MemberView) {
    this.#around = around;
    this.#parts = parts;
    this.#members = members;
    this.node = parts.node;
    this.store = parts.store;
    this.kernels = around.kernels;
    this.#mailbox = new Mailbox(this.node.id, (handling, letter) => this.#open(handling, letter));
    parts.port.receive = (message, from, incarnation) =>
      this.#receive({ message, from, incarnation });
  }

  get clock(): Clock {
    return this;
  }

  get network(): Network {
    return this;
  }

  get members(): Members {
    return this.#members;
  }

  /** News of who takes part. */
  hear(change: MemberChange): void {
    try {
      this.#members.apply(change);
    } catch (error) {
      this.#around.onFailure(this.node.id, error);
    }
    const strange = this.#strange;
    this.#strange = [];
    for (const letter of strange) this.#receive(letter);
  }

  get random(): Random {
    return (this.#random ??= this.#parts.createRandom());
  }

  now(): Micros {
    return this.#around.loop.now;
  }

  sleep(micros: Micros, scope: Scope): Promise<void> {
    invariant(Number.isSafeInteger(micros) && micros >= 0, `sleep of ${micros} microseconds`);
    if (scope.cancelled) return Promise.reject(scope.cancelled);
    const { loop } = this.#around;
    return new Promise((resolve, reject) => {
      const timer = new TimerEvent(this, resolve);
      timer.release = scope.onCancel((error) => {
        loop.retire(timer);
        reject(error);
      });
      loop.schedule(loop.now + micros, timer);
    });
  }

  send(
    to: NodeId,
    kind: MessageKind,
    header: Header,
    payload: readonly ArrayBufferView[] = NO_PAYLOAD,
  ): void {
    if (!this.alive || !this.#members.present(to)) return;
    this.#around.network.send(this.#parts.port, to, kind, header, payload);
  }

  handle(kind: MessageKind, handler: Handler): void {
    const { loop } = this.#around;
    const soon = (then: () => void) => loop.schedule(loop.now, new TimerEvent(this, then));
    this.#mailbox.handle(kind, handler, soon);
  }

  backlog(to: NodeId): Bytes {
    return this.#around.network.flow(this.#parts.port, to).backlog.bytes;
  }

  async drained(to: NodeId, bytes: Bytes, scope: Scope): Promise<void> {
    const { backlog } = this.#around.network.flow(this.#parts.port, to);
    if (backlog.bytes <= bytes) return;
    backlog.shrunk ??= this.condition();
    const what = `its queue to ${to} to drain to ${bytes} bytes`;
    await backlog.shrunk.until(() => backlog.bytes <= bytes, { what, whom: () => [to] }, scope);
  }

  estimate(to: NodeId): PathEstimate {
    if (!this.#members.present(to)) return UNMEASURED;
    return this.#around.network.estimate(this.#parts.port, to);
  }

  compute(work: Work, scope: Scope): Promise<StepResult> {
    if (scope.cancelled) return Promise.reject(scope.cancelled);
    const { loop, compute } = this.#around;
    return new Promise((resolve, reject) => {
      // First the work itself: if it is refused on the spot, nothing has been scheduled.
      const result = compute.step(work);
      const step = new StepEvent(this, loop, resolve, reject);
      step.release = scope.onCancel((error: CancelledError) => {
        loop.retire(step);
        reject(error);
      });
      loop.schedule(this.#parts.processor.submit(work.flops, loop.now), step);
      step.follow(result);
    });
  }

  spend(work: () => Promise<Flops>, scope: Scope): Promise<Flops> {
    if (scope.cancelled) return Promise.reject(scope.cancelled);
    const { loop } = this.#around;
    return new Promise((resolve, reject) => {
      const take = (flops: Flops) => () => {
        if (scope.cancelled) return reject(scope.cancelled);
        const timer = new TimerEvent(this, () => resolve(flops));
        timer.release = scope.onCancel((error) => {
          loop.retire(timer);
          reject(error);
        });
        loop.schedule(this.#parts.processor.submit(flops, loop.now), timer);
      };
      const refuse = (error: unknown) => () => reject(error);
      // A crash meanwhile: nothing settles any more.
      loop.hold(work().then(take, refuse), (settle) => {
        if (this.alive) settle();
      });
    });
  }

  condition(): Condition {
    return this.#waits.condition();
  }

  emit(event: RunEvent): void {
    this.#around.onEvent(event);
  }

  /** Nothing of this incarnation happens any more; its promises stay open for ever. */
  crash(): void {
    this.alive = false;
    this.#parts.port.receive = () => false;
    this.#parts.processor.reset();
    this.#around.network.crash(this.#parts.port);
  }

  /** The program returned: what still comes is dropped. */
  end(): void {
    this.#parts.port.receive = () => false;
  }

  /** One line for each thing that the node waits for. */
  waits(): readonly string[] {
    return this.#waits.lines();
  }

  #receive(letter: Letter): boolean {
    const { message, from, incarnation } = letter;
    const heard = this.#members.hears(from, incarnation);
    if (heard === "never") return false;
    if (heard === "after the news") {
      this.#strange.push(letter);
      return false;
    }
    const { name, lossy } = message.kind;
    return this.#mailbox.take(name, letter, !lossy);
  }

  #open({ handler }: Handling, { message, from, incarnation }: Letter): void {
    // An early one may be of somebody who has left since.
    if (this.#members.hears(from, incarnation) !== "now") return;
    try {
      handler(message, from);
    } catch (error) {
      this.#around.onFailure(this.node.id, error);
    }
  }
}
