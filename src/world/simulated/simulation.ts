/**
 * The simulated world: node programs in virtual time, one process, modelled links and processors, injected
 * faults, exactly repeatable from a seed. See loop.ts for time, network.ts for the links, world.ts for what a
 * program sees.
 */
import { CancelledError, invariant, PangaeaError } from "../../core/errors.ts";
import type { RunEvent } from "../../core/events.ts";
import type { NodeId, SiteId } from "../../core/ids.ts";
import type { Kernels } from "../../core/kernels/contract.ts";
import { createRandom } from "../../core/random.ts";
import { Scope } from "../../core/scope.ts";
import type { Bytes, Micros } from "../../core/units.ts";
import type { ComputePool } from "../compute/contract.ts";
import type { NodeInfo, NodeProgram } from "../contract.ts";
import { nodeFailed } from "../failure.ts";
import { type MemberChange, type MemberRules, MemberView } from "../members.ts";
import { Processor, type ProcessorModel } from "../processor.ts";
import type { Topology } from "../topology.ts";
import type { TrafficTotal } from "../traffic.ts";
import {
  checkFaults,
  DETECTED_AFTER_SECONDS,
  type FaultSpec,
  targetsOf,
  toMicros,
  vacantAtStart,
} from "./faults.ts";
import { EventLoop } from "./loop.ts";
import { Membership } from "./membership.ts";
import { SimulatedNetwork } from "./network.ts";
import { MemoryStore } from "./store.ts";
import { TimerEvent } from "./waits.ts";
import { type NodeParts, SimulatedWorld, type Surroundings } from "./world.ts";

export interface SimulationOptions {
  readonly seed: number;
  readonly topology: Topology;
  readonly nodes: readonly NodeInfo[];
  readonly kernels: Kernels;
  /** Does the real computation; virtual time waits for it where it must. */
  readonly compute: ComputePool;
  readonly processor: (node: NodeInfo) => ProcessorModel;
  /** Latency between sites is longer by a uniform draw from 0 to this. Order is kept. Default 0. */
  readonly jitterMicros?: Micros;
  /** Probability that a message is lost on its way (reliable kinds: sent again). Default 0. */
  readonly lossRate?: number;
  /** Probability that a message of a lossy kind comes twice. Default 0. */
  readonly duplicationRate?: number;
  /** Bytes of each message on each wire beyond its frame and 40 bytes a segment of 1460. Default 0. */
  readonly overheadBytes?: Bytes;
  readonly faults?: readonly FaultSpec[];
  /** Who leaves with whom, and who may join. Default: everybody for themselves. */
  readonly rules?: MemberRules;
  /** A node hears of a change of members after 0 to this. Default 20 ms. */
  readonly newsMicros?: Micros;
  /** Slots have been left or filled; at first: those that are vacant from the start. */
  readonly onMembers?: (changes: readonly MemberChange[]) => void;
  /** May training records leave this site? Default: never. */
  readonly recordsMayLeave?: (from: SiteId) => boolean;
  readonly onEvent: (event: RunEvent) => void;
}

export interface SimulationResult {
  readonly reason: "finished" | "stopped";
  readonly micros: Micros;
  /** Events that a program could see: starts, wake-ups, deliveries, finished steps. */
  readonly events: number;
}

interface SimulatedNode {
  parts: NodeParts;
  program: NodeProgram | undefined;
  /** The incarnation that runs now. */
  world: SimulatedWorld | undefined;
  /** True between a crash and its restart. */
  restarting: boolean;
}

/** Waits that a deadlock report lists. */
const MOST_LINES = 40;

const ALWAYS = { alive: true };

const NEWS_MICROS: Micros = 20_000;

const EVERYBODY_FOR_THEMSELVES: MemberRules = {
  withdrawal: (leaving) => leaving,
  refusal: () => undefined,
};

export class Simulation {
  readonly #options: SimulationOptions;
  readonly #loop: EventLoop;
  readonly #network: SimulatedNetwork;
  readonly #around: Surroundings;
  readonly #nodes = new Map<NodeId, SimulatedNode>();
  readonly #sites: ReadonlyMap<string, number>;
  readonly #membership: Membership;
  /** Nodes that have been started and have not ended. */
  #running = 0;
  #stopped = false;
  #failure: { readonly error: unknown } | undefined;

  constructor(options: SimulationOptions) {
    this.#options = options;
    const root = createRandom(options.seed, "simulation");
    this.#loop = new EventLoop(() => options.compute.flush?.());
    this.#network = new SimulatedNetwork(this.#loop, {
      topology: options.topology,
      overheadBytes: options.overheadBytes ?? 0,
      jitterMicros: options.jitterMicros ?? 0,
      lossRate: options.lossRate ?? 0,
      duplicationRate: options.duplicationRate ?? 0,
      recordsMayLeave: options.recordsMayLeave ?? (() => false),
      random: root.stream("network"),
    });
    this.#sites = new Map(options.topology.sites.map((site, index) => [site.id, index]));
    this.#around = {
      loop: this.#loop,
      network: this.#network,
      compute: options.compute,
      kernels: options.kernels,
      onEvent: options.onEvent,
      onFailure: (node, error) => this.#fail(node, error),
    };
    for (const node of options.nodes) {
      const site = this.#sites.get(node.site);
      invariant(site !== undefined, `${node.id} stands at a site that the topology lacks`);
      const createNodeRandom = () => root.stream(node.id);
      this.#nodes.set(node.id, {
        parts: {
          node,
          port: this.#network.attach(node.id, site),
          processor: new Processor(options.processor(node), node, () =>
            createNodeRandom().stream("processor"),
          ),
          store: new MemoryStore(),
          createRandom: createNodeRandom,
        },
        program: undefined,
        world: undefined,
        restarting: false,
      });
    }
    const faults = options.faults ?? [];
    const { withdrawal } = options.rules ?? EVERYBODY_FOR_THEMSELVES;
    const absent = vacantAtStart(faults, options.nodes);
    this.#membership = new Membership(
      absent.length > 0 ? withdrawal(absent, new MemberView()) : [],
      this.#loop,
      root.stream("members"),
      options.newsMicros ?? NEWS_MICROS,
    );
    this.#plan(faults);
    const vacant = this.#membership.truth.changes();
    if (vacant.length > 0) options.onMembers?.(vacant);
  }

  now(): Micros {
    return this.#loop.now;
  }

  /**
   * The node's program; it runs from the present virtual time, and again after a crash with a restart. That of a vacant
   * slot runs when somebody joins.
   */
  start(id: NodeId, program: NodeProgram): void {
    const node = this.#node(id);
    invariant(node.program === undefined, `${id} was started already`);
    node.program = program;
    if (!this.#membership.truth.present(id)) return;
    this.#running++;
    this.#at(this.#loop.now, () => this.#begin(node, program));
  }

  /**
   * Runs until all programs have ended, or after `stop` until they are unwound. The first failure of a program
   * fails the run (NODE_FAILED with the node and the cause, or the program's own `InputError`); nothing left to
   * run is a DEADLOCK that says what each node waits for. Either way the other programs are unwound first.
   */
  async run(): Promise<SimulationResult> {
    const ended = () => this.#running === 0;
    try {
      const end = await this.#loop.run(ended);
      if (end === "stuck" && !this.#failure) throw this.#deadlock();
    } catch (error) {
      this.#failure ??= { error };
      this.#cancelAll("the run failed");
      await this.#loop.run(ended);
    }
    if (this.#failure) throw this.#failure.error;
    return {
      reason: this.#stopped ? "stopped" : "finished",
      micros: this.#loop.now,
      events: this.#loop.delivered,
    };
  }

  /** Cancels all programs at the present virtual time; they unwind, then `run` ends. */
  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#at(this.#loop.now, () => this.#cancelAll("the run was stopped"));
    this.#loop.wake();
  }

  /**
   * Real work outside virtual time (judging a model): virtual time does not pass `now()` until the promise
   * settles; then `then` is called at the same virtual time. A rejection fails the run.
   */
  hold<T>(work: Promise<T>, then: (result: T) => void): void {
    this.#loop.hold(work, then);
  }

  /** Emits a `traffic` event for every (from, to, kind) that moved since its last one, in that order. */
  flushTraffic(): void {
    this.#network.traffic.flush(this.#loop.now, this.#options.onEvent);
  }

  /** Emits a `link` event for every ordered pair of sites between which something was measured. */
  reportLinks(): void {
    this.#network.reportLinks(this.#options.onEvent);
  }

  /** All bytes and messages so far by ordered pair of sites and kind, traffic inside a site included. */
  traffic(): readonly TrafficTotal[] {
    return this.#network.traffic.totals();
  }

  #node(id: string): SimulatedNode {
    const node = this.#nodes.get(id as NodeId);
    invariant(node, `${id} is not a node of this run`);
    return node;
  }

  #at(micros: Micros, then: () => void): void {
    this.#loop.schedule(micros, new TimerEvent(ALWAYS, then));
  }

  #begin(node: SimulatedNode, program: NodeProgram): void {
    if (this.#stopped || this.#failure) {
      this.#running--;
      return;
    }
    const world = new SimulatedWorld(this.#around, node.parts, this.#membership.view());
    node.world = world;
    const ended = (): void => {
      world.end();
      if (node.world === world) node.world = undefined;
      this.#running--;
    };
    Scope.run((scope) => program(world, scope), world.scope).then(ended, (error: unknown) => {
      ended();
      const unwound = error instanceof CancelledError && world.scope.cancelled !== undefined;
      if (!unwound) this.#fail(world.node.id, error);
    });
  }

  #fail(node: NodeId, cause: unknown): void {
    if (this.#failure) return;
    this.#failure = { error: nodeFailed(node, cause) };
    this.#cancelAll(`${node} failed`);
  }

  #cancelAll(reason: string): void {
    for (const node of this.#nodes.values()) {
      node.world?.scope.cancel(reason);
      if (node.restarting) {
        node.restarting = false;
        this.#running--;
      }
    }
  }

  #deadlock(): PangaeaError {
    const lines: string[] = [];
    for (const [id, { world }] of this.#nodes) {
      if (!world) continue;
      const waits = world.waits();
      if (waits.length === 0) lines.push(`${id} waits for something that no event brings`);
      for (const wait of waits) lines.push(`${id} waits for ${wait}`);
    }
    if (lines.length > MOST_LINES) {
      const more = lines.length - MOST_LINES;
      lines.splice(MOST_LINES, more, `… and ${more} more`);
    }
    return new PangaeaError(
      "DEADLOCK",
      `nothing is left to run at ${this.#loop.now} microseconds:\n  ${lines.join("\n  ")}`,
    );
  }

  #plan(faults: readonly FaultSpec[]): void {
    checkFaults(faults, new Set(this.#nodes.keys()), new Set(this.#sites.keys()));
    for (const fault of faults) {
      const at = toMicros(fault.at);
      if (fault.kind === "crash") this.#at(at, () => this.#crash(fault));
      else if (fault.kind === "leave") this.#at(at, () => this.#leave(fault.target));
      else if (fault.kind === "join") this.#at(at, () => this.#join(fault.target));
      else if (fault.kind === "partition") this.#planPartition(fault, at);
      else this.#planDelay(fault, at);
    }
  }

  #crash({ node: id, restartAfter, detectAfter }: FaultSpec & { kind: "crash" }): void {
    const node = this.#node(id);
    if (!node.world || this.#over) return;
    this.#report("crash", id);
    this.#kill(node);
    const later = (seconds: number, then: () => void): void =>
      this.#at(this.#loop.now + toMicros(seconds), then);
    if (restartAfter === undefined) {
      const { incarnation } = node.parts.port.life;
      later(detectAfter ?? DETECTED_AFTER_SECONDS, () => {
        if (node.parts.port.life.incarnation === incarnation) this.#leave(id);
      });
      return;
    }
    node.restarting = true;
    this.#running++;
    later(restartAfter, () => {
      if (!node.restarting) return;
      node.restarting = false;
      this.#report("restart", id);
      this.#begin(node, node.program!);
    });
  }

  get #over(): boolean {
    return this.#stopped || this.#failure !== undefined;
  }

  /** Nothing of its program happens any more. */
  #kill(node: SimulatedNode): void {
    if (node.restarting) this.#running--;
    node.restarting = false;
    if (!node.world) return;
    node.world.crash();
    node.world = undefined;
    this.#running--;
  }

  /** A node, or all nodes of a site, and whoever is of no use without them. */
  #leave(target: string): void {
    const { truth } = this.#membership;
    const leaving = targetsOf(target, this.#options.nodes).filter((id) => truth.present(id));
    if (leaving.length === 0 || this.#over) return;
    this.#report("leave", target);
    try {
      const { withdrawal } = this.#options.rules ?? EVERYBODY_FOR_THEMSELVES;
      const all = withdrawal(leaving, truth);
      for (const id of all) this.#kill(this.#node(id));
      this.#change(false, all);
    } catch (error) {
      this.#failure = { error };
      this.#cancelAll(`${target} left`);
    }
  }

  #join(target: string): void {
    const { truth } = this.#membership;
    const joining = targetsOf(target, this.#options.nodes).filter((id) => !truth.present(id));
    if (joining.length === 0 || this.#over) return;
    const { refusal } = this.#options.rules ?? EVERYBODY_FOR_THEMSELVES;
    const why = refusal(joining, truth);
    if (why !== undefined) {
      this.#options.onEvent({ t: this.#loop.now, type: "note", text: `${target} ${why}` });
      return;
    }
    this.#report("join", target);
    for (const { node, incarnation } of this.#change(true, joining)) {
      const slot = this.#node(node);
      this.#network.fill(slot.parts.port, incarnation);
      // Another machine: it brings no store.
      slot.parts = { ...slot.parts, store: new MemoryStore() };
      if (!slot.program) continue;
      this.#running++;
      this.#begin(slot, slot.program);
    }
  }

  #change(present: boolean, nodes: readonly NodeId[]): readonly MemberChange[] {
    const listeners = [...this.#nodes].flatMap(([id, { world }]) =>
      world ? [[id, world] as const] : [],
    );
    const changes = this.#membership.change(present, nodes, listeners);
    this.#options.onMembers?.(changes);
    return changes;
  }

  #planPartition(fault: FaultSpec & { kind: "partition" }, at: Micros): void {
    const a = this.#sites.get(fault.a)!;
    const b = this.#sites.get(fault.b)!;
    const target = `${fault.a} | ${fault.b}`;
    this.#at(at, () => {
      this.#report("partition", target);
      this.#network.sever(a, b);
    });
    this.#at(at + toMicros(fault.for), () => {
      this.#report("heal", target);
      this.#network.heal(a, b);
    });
  }

  #planDelay(fault: FaultSpec & { kind: "delay" }, at: Micros): void {
    const index = (site: string | undefined) => (site === undefined ? -1 : this.#sites.get(site)!);
    const extra = Math.round(fault.extraMs * 1000);
    const spike = { from: index(fault.from), to: index(fault.to), extra };
    const target = `${fault.from ?? "*"} -> ${fault.to ?? "*"}`;
    this.#at(at, () => {
      this.#report("delay", target);
      this.#network.addSpike(spike);
    });
    this.#at(at + toMicros(fault.for), () => {
      this.#report("delay over", target);
      this.#network.removeSpike(spike);
    });
  }

  #report(fault: string, target: string): void {
    this.#options.onEvent({ t: this.#loop.now, type: "fault", fault, target });
  }
}
