/** One host of a run in real time: the worlds of its nodes on one event loop, from start to the last unwound scope. */
import { CancelledError, type PangaeaError } from "../../core/errors.ts";
import type { RunEvent, TrafficEvent } from "../../core/events.ts";
import type { NodeId } from "../../core/ids.ts";
import type { Kernels } from "../../core/kernels/contract.ts";
import { createRandom } from "../../core/random.ts";
import { Scope } from "../../core/scope.ts";
import type { ComputePool } from "../compute/contract.ts";
import type { Clock, NodeInfo, NodeProgram, Store } from "../contract.ts";
import { nodeFailed } from "../failure.ts";
import { Processor, type ProcessorModel } from "../processor.ts";
import { LocalNetwork, type LocalNetworkOptions } from "./network.ts";
import { LocalWorld } from "./world.ts";

export interface LocalHostOptions extends Omit<LocalNetworkOptions, "random"> {
  readonly seed: number;
  readonly clock: Clock;
  readonly kernels: Kernels;
  readonly compute: ComputePool;
  /** Steps last at least as long as on this processor; absent: as long as they take. */
  readonly pace: ProcessorModel | undefined;
  readonly storeOf: (node: NodeId) => Store;
  readonly onEvent: (event: RunEvent) => void;
  /** A program has returned. */
  readonly onEnded: (node: NodeInfo) => void;
  /** The first failure of a node here (NODE_FAILED); the host has begun to unwind. */
  readonly onFailed: (error: PangaeaError) => void;
}

export class LocalHost {
  readonly #options: LocalHostOptions;
  readonly #network: LocalNetwork;
  readonly #scope = new Scope();
  readonly #worlds = new Map<NodeId, LocalWorld>();
  #running: Promise<unknown>[] = [];
  #failed = false;

  constructor(options: LocalHostOptions) {
    this.#options = options;
    const random = createRandom(options.seed, "simulation").stream("network");
    const refused = (error: PangaeaError): void => this.#fail(error, error.message);
    this.#network = new LocalNetwork({ ...options, random }, this.#scope, refused);
  }

  /** Starts the programs of this host's nodes. Streams have the names that they have in the simulated world. */
  start(programs: ReadonlyMap<NodeInfo, NodeProgram>): void {
    const { seed, pace, clock, compute, kernels, storeOf, onEvent } = this.#options;
    const root = createRandom(seed, "simulation");
    const around = {
      clock,
      compute,
      kernels,
      onEvent,
      network: this.#network,
      onFailure: (node: NodeId, error: unknown) => this.#nodeFailed(node, error),
    };
    // Every world before the first program: it may send to any of them.
    const worlds = [...programs].map(([node, program]) => {
      const random = root.stream(node.id);
      const processor = pace && new Processor(pace, node, () => random.stream("processor"));
      const world = new LocalWorld(around, { node, random, processor, store: storeOf(node.id) });
      this.#worlds.set(node.id, world);
      return { world, program };
    });
    this.#network.open();
    this.#running = worlds.map(({ world, program }) => this.#run(world, program));
  }

  /** Cancels the programs; `ended` tells when they have unwound. */
  stop(reason: string): void {
    for (const world of this.#worlds.values()) world.scope.cancel(reason);
  }

  /** Settles when every program has returned or unwound. */
  async ended(): Promise<void> {
    await Promise.all(this.#running);
  }

  /** Who waits here, for what and for whom. */
  waits(): readonly string[] {
    return [...this.#worlds].flatMap(([id, world]) =>
      world.waits().map((wait) => `${id} waits for ${wait}`),
    );
  }

  /** Bytes since the last flush, by pair of sites and kind. */
  flushTraffic(emit: (event: TrafficEvent) => void = this.#options.onEvent): void {
    this.#network.traffic.flush(this.#options.clock.now(), emit);
  }

  /** Nothing is delivered any more. Connections are closed by who opened them. */
  async close(): Promise<void> {
    this.#network.close();
    this.#scope.cancel("the host was closed");
    await this.#scope.join();
  }

  async #run(world: LocalWorld, program: NodeProgram): Promise<void> {
    try {
      await Scope.run((scope) => program(world, scope), world.scope);
      world.end();
      this.#options.onEnded(world.node);
    } catch (error) {
      world.end();
      const unwound = error instanceof CancelledError && world.scope.cancelled !== undefined;
      if (!unwound) this.#nodeFailed(world.node.id, error);
    }
  }

  #nodeFailed(node: NodeId, cause: unknown): void {
    this.#fail(nodeFailed(node, cause), `${node} failed`);
  }

  #fail(error: PangaeaError, reason: string): void {
    if (this.#failed) return;
    this.#failed = true;
    this.#options.onFailed(error);
    this.stop(reason);
  }
}
