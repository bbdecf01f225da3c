/**
 * A host as a member of a run: joins the others, starts when the supervisor says so, sends its events on, answers
 * questions, ends when it is told to.
 */
import { PangaeaError } from "../../core/errors.ts";
import type { RunEvent } from "../../core/events.ts";
import type { NodeId } from "../../core/ids.ts";
import type { Micros } from "../../core/units.ts";
import type { Buckets } from "../bus/buckets.ts";
import type { Bus } from "../bus/contract.ts";
import { remoteBus } from "../bus/remote.ts";
import { realTimers } from "../bus/timers.ts";
import type { Store } from "../contract.ts";
import type { MemberChange } from "../members.ts";
import type { Connection } from "../wire/contract.ts";
import { callAt, RunClock } from "./clock.ts";
import { DeskLine } from "./desk.ts";
import type { LocalHost } from "./host.ts";
import type { Door, Talk } from "./meet.ts";
import { DESK, type HostPort, type HostSetup, portable, type ToHost } from "./protocol.ts";

const FLUSH_MILLISECONDS = 50;
/** An event may be told a little after the time that it bears. */
const LATE_MICROS: Micros = 100_000;

/** The way to hosts that cannot be reached directly. */
export interface Relays {
  join(host: number): Promise<Connection>;
  /** After the last connection has ended: what acknowledges its end has left then, too. */
  close(): Promise<void>;
}

/** What a host's surroundings give it: Node's differ from a page's. */
export interface Surroundings {
  /** Begins to join the others; `talk.arrived` is called for each. */
  meet(setup: HostSetup, talk: Talk): Promise<Door>;
  /** By default there is no such way. */
  readonly relays?: Relays | undefined;
  storeOf(node: NodeId): Store;
  /** Joins the control bus, where that is not the supervisor's. */
  readonly joinBus?: (() => Promise<Bus>) | undefined;
  /** What the run's programs may use of it; by default all buckets, which are those of this run alone. */
  readonly bucketsOf?: ((bus: Bus) => Buckets) | undefined;
}

export class Member {
  readonly setup: HostSetup;
  readonly #port: HostPort;
  readonly #connections = new Map<number, Connection>();
  /** Those that have ended. */
  readonly #broken = new Set<Connection>();
  /** What to do at each kind of message; one that comes earlier waits. */
  readonly #handlers = new Map<ToHost["type"], (message: ToHost) => void>();
  readonly #early: ToHost[] = [];
  readonly #desk: DeskLine;
  readonly #around: Surroundings;
  #door: Door | undefined;
  #members: readonly MemberChange[] = [];
  /** Called at each new connection. */
  #joined: () => void = () => {};
  #events: RunEvent[] = [];
  /** All that were sent on, and up to when, where they are kept. */
  #kept: { readonly events: RunEvent[]; until: Micros } | undefined;
  #bus: Promise<Bus> | undefined;

  constructor(setup: HostSetup, port: HostPort, around: Surroundings) {
    this.setup = setup;
    this.#port = port;
    this.#around = around;
    this.#desk = new DeskLine((message) => port.post(message));
    port.onMessage((message) => {
      const handler = this.#handlers.get(message.type);
      if (handler) handler(message);
      else this.#early.push(message);
    });
  }

  /** Before it joins: tells the run's part of the supervisor what that must know to plan, and hears what follows. */
  async brief(report: unknown): Promise<unknown> {
    this.#port.post({ type: "report", what: report });
    return (await this.#message("briefing")).what;
  }

  /** Joins all other hosts. */
  async connect(): Promise<ReadonlyMap<number, Connection>> {
    let peers: number | undefined;
    const all = new Promise<void>((resolve) => {
      this.#joined = () => {
        if (peers !== undefined && this.#connections.size >= peers) resolve();
      };
    });
    const { meet, relays } = this.#around;
    this.#door = await meet(this.setup, {
      post: (message) => this.#port.post(message),
      on: (type, handler) => this.#on(type, handler),
      join: async () => {
        const order = await this.#message("join");
        ({ peers } = order);
        return order;
      },
      arrived: (connection) => this.#add(connection),
      relay: (host) => (relays ? relays.join(host) : noRelay(host)),
    });
    this.#joined();
    await all;
    if (this.setup.meeting.kind !== "network") await this.#door.close();
    this.#port.post({ type: "joined" });
    return this.#connections;
  }

  /** Resolves at the common start with the clock of the run. */
  async start(): Promise<RunClock> {
    const { at, members } = await this.#message("go");
    this.#port.post({ type: "begun" });
    await new Promise<void>((resolve) => {
      callAt(at, resolve);
    });
    this.#members = members;
    return new RunClock(at);
  }

  /** Who had come and gone before the start. */
  get members(): readonly MemberChange[] {
    return this.#members;
  }

  storeOf(node: NodeId): Store {
    return this.#around.storeOf(node);
  }

  /** Buckets that the nodes of the run share. The bus is joined when the first is opened. */
  buckets(): Buckets {
    const { joinBus, bucketsOf = (bus: Bus): Buckets => bus } = this.#around;
    return {
      kv: async (bucket, options) => {
        this.#bus ??= (joinBus?.() ?? Promise.resolve(this.#supervisorsBus())).catch((error) => {
          this.#bus = undefined;
          throw error;
        });
        return bucketsOf(await this.#bus).kv(bucket, options);
      },
    };
  }

  #supervisorsBus(): Bus {
    const { host } = this.setup;
    const pipe = {
      send: (frame: Uint8Array): void => this.#port.post({ type: "bus", frame }),
      receive: (handler: (frame: Uint8Array) => void): void =>
        this.#on("bus", ({ frame }) => handler(frame)),
      // It ends with the host.
      ended: new Promise<never>(() => {}),
    };
    return remoteBus(`host ${host}`, pipe, realTimers());
  }

  /** The event goes out with the next ones. */
  emit(event: RunEvent): void {
    this.#events.push(event);
  }

  /** From here on keeps every event, for supervisors that come later: they are told all of them. */
  keepEvents(): void {
    this.#kept = { events: [], until: 0 };
  }

  ended(node: NodeId): void {
    this.#port.post({ type: "ended", node });
  }

  failed(error: unknown): void {
    this.#port.post({ type: "failed", failure: portable(error) });
  }

  warn(text: string): void {
    this.#port.post({ type: "warning", text });
  }

  /** To the run's part of the supervisor. What it holds is copied. */
  say(what: unknown): void {
    this.#desk.say({ type: "said", what });
  }

  /**
   * Serves the supervisor until the run is over: sends events on, stops the programs, answers, leaves.
   * @param answer the run's part of the answers to the run's part of the questions.
   */
  async serve(host: LocalHost, clock: RunClock, answer: (what: unknown) => unknown): Promise<void> {
    // What the supervisor has not been told of bears a time, too.
    const told = (): Micros => Math.min(clock.now(), this.#desk.oldest() - clock.startedAt);
    const flush = setInterval(() => this.#flush(told() - LATE_MICROS), FLUSH_MILLISECONDS);
    this.#on("retell", () => this.#retell());
    this.#on("waits", () => this.#port.post({ type: "waits", lines: host.waits() }));
    this.#on("ask", ({ id, what }) => this.#desk.say({ type: "answer", id, what: answer(what) }));
    this.#on("members", (news) => this.#changed(host, news));
    const { reason } = await this.#message("stop");
    host.stop(reason);
    await host.ended();
    host.flushTraffic();
    host.reportLinks();
    clearInterval(flush);
    this.#flush(Number.MAX_SAFE_INTEGER);
    this.#port.post({ type: "stopped" });
    await this.#message("leave");
    await host.close();
    await this.#bus?.then((bus) => bus.close()).catch(() => {});
    await this.#door?.close();
    await this.#desk.close();
    await Promise.all([...this.#connections.values()].map((connection) => connection.close()));
    await this.#around.relays?.close();
  }

  exit(): void {
    this.#port.exit();
  }

  #add(connection: Connection): void {
    if (connection.peer === DESK) {
      this.#desk.attach(connection);
      return;
    }
    const host = Number(connection.peer);
    // In the place of one that has ended another may come.
    const known = this.#connections.get(host);
    const free = known === undefined || this.#broken.has(known);
    const { names, host: own } = this.setup;
    const ours = Number.isInteger(host) && host >= 0 && host < names.length && host !== own;
    if (!ours || !free) {
      const why = ours ? "it has joined already" : "the run has no such host";
      this.#port.post({ type: "warning", text: `host ${connection.peer} is turned away: ${why}` });
      connection.close().catch(() => {});
      return;
    }
    this.#connections.set(host, connection);
    this.#joined();
    connection.ended.then(
      (error) => {
        this.#broken.add(connection);
        const peer = this.setup.names[host] ?? connection.peer;
        if (error) this.#port.post({ type: "broken", peer, failure: portable(error) });
      },
      (error: unknown) => this.failed(new PangaeaError("HOST_FAILED", String(error))),
    );
  }

  /** The order matters: news of who left come before the way to them is forgotten, news of who came before there is one. */
  #changed(host: LocalHost, { changes, left, came }: Extract<ToHost, { type: "members" }>): void {
    host.setPresent(changes);
    if (left !== undefined) host.disconnect(left);
    const connection = came === undefined ? undefined : this.#connections.get(came);
    if (came !== undefined && connection) host.connect(came, connection);
  }

  #flush(until: Micros): void {
    const events = this.#events;
    this.#events = [];
    if (this.#kept) {
      for (const event of events) this.#kept.events.push(event);
      this.#kept.until = until;
    }
    this.#port.post({ type: "events", until, events });
  }

  /** In one message, so that what went out before it is in it, and what follows is not. */
  #retell(): void {
    if (this.#kept) this.#port.post({ type: "events", ...this.#kept, again: true });
  }

  #message<T extends ToHost["type"]>(type: T): Promise<Extract<ToHost, { readonly type: T }>> {
    return new Promise((resolve) => this.#on(type, resolve));
  }

  #on<T extends ToHost["type"]>(
    type: T,
    handler: (message: Extract<ToHost, { readonly type: T }>) => void,
  ): void {
    this.#handlers.set(type, handler as (message: ToHost) => void);
    for (const message of this.#early.splice(0)) {
      if (message.type === type) handler(message as Extract<ToHost, { readonly type: T }>);
      else this.#early.push(message);
    }
  }
}

async function noRelay(host: number): Promise<Connection> {
  throw new PangaeaError("UNREACHABLE", `neither this host nor host ${host} can dial the other`);
}
