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
import { type MemberChange, MemberView } from "../members.ts";
import { Processor, type ProcessorModel } from "../processor.ts";
import type { Connection } from "../wire/contract.ts";
import { LocalNetwork, type LocalNetworkOptions } from "./network.ts";
import { LocalWorld, type Surroundings } from "./world.ts";

export interface LocalHostOptions extends Omit<LocalNetworkOptions, "random"> {
  readonly seed: number;
  readonly clock: Clock;
  readonly kernels: Kernels;
  readonly compute: ComputePool;
  /** Steps last at least as long as on this processor; absent: as long as they take. */
  readonly pace: ProcessorModel | undefined;
  readonly storeOf: (node: NodeId) => Store;
  /** Changes of members that were noticed before this host began, vacant slots included. Default: none. */
  readonly members?: readonly MemberChange[];
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
  readonly #members: MemberView;
  readonly #around: Surroundings;
  /** Of all slots that are this host's. */
  #programs: ReadonlyMap<NodeInfo, NodeProgram> = new Map();
  #running: Promise<unknown>[] = [];
  #failed = false;

  constructor(options: LocalHostOptions) {
    this.#options = options;
    const random = createRandom(options.seed, "simulation").stream("network");
    const refused = (error: PangaeaError): void => this.#fail(error, error.message);
    this.#members = new MemberView(options.members);
    this.#network = new LocalNetwork({ ...options, random }, this.#scope, refused, (node) =>
      this.#members.present(node),
    );
    const { clock, compute, kernels, onEvent } = options;
    const onFailure = (node: NodeId, error: unknown): void => this.#nodeFailed(node, error);
    this.#around = { clock, compute, kernels, onEvent, network: this.#network, onFailure };
  }

  /**
   * Starts the programs of this host's nodes, but for those of vacant slots. Streams have the names that they have in
   * the simulated world.
   */
  start(programs: ReadonlyMap<NodeInfo, NodeProgram>): void {
    this.#programs = programs;
    const present = [...programs].filter(([node]) => this.#members.present(node.id));
    this.#begin(present);
    this.#network.open();
  }

  /**
   * Slots have been left or filled, as the supervisor noticed. Every host is told of every change in one order; a host
   * that joins begins with all earlier ones (`LocalHostOptions.members`). What nodes that have left said is dropped from
   * here on, and so is what is said to them. What is told again is passed over. The order that makes it right: on a leave `setPresent`, then `disconnect`;
   * on a join `setPresent`, then `connect`.
   */
  setPresent(told: readonly MemberChange[]): void {
    const changes = told.filter((change) => this.#members.isNews(change));
    for (const change of changes) {
      this.#members.apply(change);
      const mine = this.#worlds.get(change.node);
      if (!change.present && mine) {
        this.#worlds.delete(change.node);
        mine.end();
        mine.scope.cancel("it left the run");
      }
      for (const world of this.#worlds.values()) world.hear(change);
    }
    const joined = new Set(changes.filter(({ present }) => present).map(({ node }) => node));
    this.#begin([...this.#programs].filter(([node]) => joined.has(node.id)));
  }

  /** A host has joined in mid-run; its nodes are present. */
  connect(host: number, connection: Connection): void {
    this.#network.connect(host, connection);
  }

  /** A host has left; its nodes are absent. */
  disconnect(host: number): void {
    this.#network.disconnect(host);
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

  /** What was measured of links from here, by pair of sites. */
  reportLinks(): void {
    this.#network.reportLinks(this.#options.clock.now(), this.#options.onEvent);
  }

  /** Nothing is delivered any more. Connections are closed by who opened them. */
  async close(): Promise<void> {
    this.#network.close();
    this.#scope.cancel("the host was closed");
    await this.#scope.join();
  }

  /** Every world before the first program: it may send to any of them. */
  #begin(programs: readonly (readonly [NodeInfo, NodeProgram])[]): void {
    const { seed, pace, storeOf } = this.#options;
    const root = createRandom(seed, "simulation");
    const worlds = programs.map(([node, program]) => {
      const random = root.stream(node.id);
      const processor = pace && new Processor(pace, node, () => random.stream("processor"));
      const members = new MemberView(this.#members.changes());
      const parts = { node, random, processor, members, store: storeOf(node.id) };
      const world = new LocalWorld(this.#around, parts);
      this.#worlds.set(node.id, world);
      return { world, program };
    });
    for (const { world, program } of worlds) this.#running.push(this.#run(world, program));
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
