/**
 * The hosts of a run on the agents of a cluster. Orders go down signed, messages come up over the bus; what is bulky
 * comes over a connection of the data plane that this end dials. An agent that is silent for longer than its beats
 * let believe, or that nobody answers for, has lost its host.
 */
import { PangaeaError } from "../../core/errors.ts";
import { MILLISECOND, type Micros, SECOND } from "../../core/units.ts";
import type { Bus, Subscription } from "../bus/contract.ts";
import { BusError, noResponders } from "../bus/errors.ts";
import { decodeJson, encodeJson } from "../bus/frame.ts";
import type { Member, MemberEvent } from "../bus/membership.ts";
import { publicKeyOf } from "../bus/nats-options.ts";
import { orderSigner } from "../bus/signed.ts";
import type { Timers } from "../bus/timers.ts";
import { machineMicros } from "../live/clock.ts";
import { attendDesk } from "../live/desk.ts";
import type { ClockReading, Fleet, HostEnd, RunningHost } from "../live/fleet.ts";
import { fromBytes, toBytes } from "../live/portable.ts";
import { DESK, type FromHost, type HostAddress, type ToHost } from "../live/protocol.ts";
import type { Connection } from "../wire/contract.ts";
import { dial } from "../wire/dial.ts";
import type { Credentials } from "../wire/options.ts";
import { Conveyor, Intake } from "./conveyor.ts";
import { COORDINATOR, type DoorAnswer, type Down, type Reserve, type Up } from "./orders.ts";
import { type Crew, dealNodes, isCrew, lifeOf, type Roster, type Wanted } from "./roster.ts";
import { door, down, up } from "./subjects.ts";

export interface ClusterFleetOptions {
  readonly bus: Bus;
  readonly timers: Timers;
  readonly roster: Roster;
  readonly run: string;
  readonly epoch: number;
  /** Whether the epoch lasts, by this machine's clock: a process that was paused may not have heard of its end. */
  readonly leads: () => boolean;
  /** Signs the orders. */
  readonly seed: string;
  /** Of this run alone. */
  readonly token: string;
  readonly version: string;
  readonly credentials: Credentials | undefined;
  /** The hosts run already, for another coordinator. */
  readonly attach?: boolean | undefined;
  /** An agent has taken the place of another. */
  readonly onAgents?: ((agents: readonly Member[]) => void) | undefined;
  /** Agents refuse this coordinator's orders: another leads the run. */
  readonly onRefused: (error: Error) => void;
  readonly warn: (text: string) => void;
}

const ANSWER: Micros = 10 * SECOND;
/** Between two looks for another agent, at first and at most. */
const SEARCH: Micros = SECOND;
const LONGEST_SEARCH: Micros = 30 * SECOND;
const PING: Micros = 2 * SECOND;
const PINGS = 8;
const DIAL_MILLIS = 10_000;
/** An agent that was not used is told so in this time, or finds out by itself. */
const FAREWELL: Micros = 2 * SECOND;
/** Between the two askings after which nobody answers for an agent. */
const DOUBT: Micros = 300 * MILLISECOND;
/** A host that was to be ended is believed to be so. */
const KILLED: Micros = 10 * SECOND;

const RELEASE = toBytes({ type: "release" } satisfies Down);

type Sign = (subject: string, data: Uint8Array) => Uint8Array;

export class ClusterFleet implements Fleet {
  readonly #options: ClusterFleetOptions;
  readonly #sign: Sign;
  /** By the life of their agents. */
  readonly #hands = new Map<string, Hand>();
  /** Lives of the agents that were reserved, by what their messages begin with. */
  readonly #voices = new Map<string, string>();
  #agents: Member[] = [];
  #wanted: Wanted | undefined;
  #crew: Crew | undefined;
  #closed = false;
  #conveyors = 0;
  /** Hosts that this coordinator has started or found. */
  readonly #begun = new Set<number>();
  /** To agents that were given back. */
  readonly #farewells: Conveyor[] = [];
  #search: (host: number) => void = () => {};
  #hearing: Subscription | undefined;
  #deaf: (() => void) | undefined;

  constructor(options: ClusterFleetOptions) {
    const { run, epoch, seed } = options;
    this.#options = options;
    this.#sign = orderSigner(seed, { run, role: COORDINATOR, epoch });
  }

  /** Why the agent does not take the run, or nothing. */
  async reserve(agent: Member): Promise<string | undefined> {
    const { bus, run, seed } = this.#options;
    const subject = door(agent.id);
    const order: Reserve = { type: "reserve", life: lifeOf(agent), run, key: publicKeyOf(seed) };
    try {
      const signed = this.#sign(subject, encodeJson(order));
      const answer = await bus.request(subject, signed, { deadline: ANSWER });
      const said = decodeJson(answer) as DoorAnswer;
      if (said.type === "reserved") this.#voices.set(said.voice, lifeOf(agent));
      return said.type === "refused" ? said.why : undefined;
    } catch (error) {
      return error instanceof PangaeaError ? error.message : String(error);
    }
  }

  /** Gives back an agent that was reserved and not used. */
  release(agent: Member): void {
    const conveyor = this.#conveyor(agent);
    this.#farewells.push(conveyor);
    conveyor.farewell(RELEASE);
  }

  /** The agents of the run, in the order of its hosts, and what was wanted of them. */
  take(crew: Crew, wanted: Wanted): void {
    this.#agents = [...crew.agents];
    this.#crew = crew;
    this.#wanted = wanted;
  }

  /** Looks for another agent (or the same one in a later life) in the place of each that is lost. */
  onReturn(listener: (host: number) => void): void {
    const { timers } = this.#options;
    const look = (host: number, pause: Micros): void => {
      const again = (): void => {
        if (this.#closed) return;
        this.#replace(host, listener).then(
          (found) => {
            if (!found) look(host, Math.min(2 * pause, LONGEST_SEARCH));
          },
          () => look(host, LONGEST_SEARCH),
        );
      };
      timers.after(pause, again);
    };
    this.#search = (host) => look(host, SEARCH);
    for (const [host, agent] of this.#agents.entries())
      if (this.#hands.get(lifeOf(agent))?.over) this.#search(host);
  }

  async open(): Promise<void> {
    const { bus, run, epoch, leads, roster, attach } = this.#options;
    const lifeIn = (source: string): string | undefined =>
      this.#voices.get(source.slice(0, source.indexOf("/")));
    const known = (source: string): boolean => {
      const life = lifeIn(source);
      const awaited = life === undefined ? this.#agents.some((one) => this.#isAwaited(one)) : false;
      if (awaited || (life !== undefined && !this.#hands.has(life)))
        throw noResponders("nobody listens to this host yet");
      return life !== undefined;
    };
    const intake = new Intake(
      (message, source) => this.#hands.get(lifeIn(source) ?? "")?.hear(fromBytes(message) as Up),
      known,
    );
    // Before they are heard, those that another coordinator has reserved say how they are known.
    if (attach)
      await Promise.all(
        this.#agents.filter((one) => this.#isThere(one)).map((one) => this.reserve(one)),
      );
    this.#hearing = await bus.serve(up(run, epoch), (batch) => {
      // The sender keeps it for whoever leads the run next.
      if (!leads()) throw noResponders(`epoch ${epoch} of run ${run} is over`);
      intake.take(batch);
      return new Uint8Array(0);
    });
    this.#deaf = roster.listen((event) => this.#changed(event));
  }

  start(host: number, task: unknown, onMessage: (message: FromHost) => void): RunningHost {
    const agent = this.#agents[host];
    if (!agent) throw new PangaeaError("HOST_FAILED", `there is no agent for host ${host}`);
    const hand = new Hand(agent, this.#conveyor(agent), this.#options, onMessage);
    this.#hands.set(lifeOf(agent), hand);
    if (this.#closed) {
      hand.lost("its run is led from elsewhere");
      return hand;
    }
    hand.ended.then(
      () => {
        if (!this.#closed && !this.stopping) this.#search(host);
      },
      () => {},
    );
    const names = this.#agents.map(({ id }) => id);
    const sites = this.#agents.map(({ site }) => site);
    const { token, attach } = this.#options;
    if (!attach || this.#begun.has(host)) {
      hand.order({ type: "start", host, names, sites, token, task });
      hand.learnClock().catch(() => {});
    } else if (this.#isThere(agent)) this.#attach(agent, hand).catch(() => {});
    else hand.lost("its agent is gone");
    this.#begun.add(host);
    return hand;
  }

  /** The run is being ended. */
  get stopping(): boolean {
    return [...this.#hands.values()].some(({ stopping }) => stopping);
  }

  /** Gives no more orders: another leads the run, whose hosts go on. */
  silence(): void {
    this.#closed = true;
    // What hosts say is for the one that leads the run.
    this.#hearing?.close();
    for (const hand of this.#hands.values()) hand.silence();
  }

  /** All hosts count as lost, as far as this coordinator is concerned. */
  abandon(): void {
    this.silence();
    for (const hand of this.#hands.values()) hand.lost("another coordinator leads the run");
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#hands.values()].map((hand) => hand.close()));
    await Promise.all(this.#farewells.map((conveyor) => this.#said(conveyor)));
    this.#deaf?.();
    this.#hearing?.close();
  }

  async #replace(host: number, listener: (host: number) => void): Promise<boolean> {
    const { roster } = this.#options;
    const nodes = this.#wanted?.nodes.filter(({ id }) => this.#crew?.hostOf[id] === host) ?? [];
    for (const agent of roster.members()) {
      const busy = this.#hands.get(lifeOf(agent));
      const fits = this.#wanted && isCrew(dealNodes({ ...this.#wanted, nodes, least: 1 }, [agent]));
      if (!fits || (busy && !busy.over) || roster.suspected(agent.id)) continue;
      // It still has what was left of the host.
      if (busy) {
        this.#hands.delete(lifeOf(agent));
        this.release(agent);
      } else if ((await this.reserve(agent)) === undefined && !this.#closed) {
        this.#agents[host] = agent;
        this.#options.onAgents?.(this.#agents);
        listener(host);
        if (this.#hands.has(lifeOf(agent))) return true;
        this.release(agent);
      }
    }
    return false;
  }

  /** One that did not answer is asked again: what it says is not taken before it is known. */
  async #attach(agent: Member, hand: Hand): Promise<void> {
    const { timers } = this.#options;
    for (let pause = SEARCH; this.#isAwaited(agent); pause = Math.min(2 * pause, LONGEST_SEARCH)) {
      await new Promise<void>((resolve) => timers.after(pause, resolve));
      if (this.#closed || hand.over) return;
      await this.reserve(agent);
    }
    hand.order({ type: "attach" });
  }

  /** Whether it has not said yet how it is known, and still may. */
  #isAwaited(agent: Member): boolean {
    const life = lifeOf(agent);
    const known = [...this.#voices.values()].includes(life);
    return !known && !this.#hands.get(life)?.over;
  }

  #conveyor(agent: Member): Conveyor {
    const { bus, timers, run, epoch, warn, onRefused } = this.#options;
    const subject = down(agent.id, run);
    return new Conveyor({
      ...{ bus, subject, timers, source: `${epoch}.${++this.#conveyors}` },
      seal: (batch) => this.#sign(subject, batch),
      onRefused: (error) => {
        if (this.#closed) return;
        warn(`${agent.id} refuses orders: ${error.message}`);
        if (error.code === "STALE_EPOCH") onRefused(error);
      },
    });
  }

  #isThere(agent: Member): boolean {
    return this.#options.roster.members().some((member) => lifeOf(member) === lifeOf(agent));
  }

  #said(conveyor: Conveyor): Promise<void> {
    return emptied(conveyor, FAREWELL, this.#options.timers);
  }

  #changed(event: MemberEvent): void {
    const hand = this.#hands.get(lifeOf(event.member));
    if (event.type === "suspected") hand?.check();
    if (event.type === "left") {
      const how = event.reason === "said so" ? "its agent left" : "its agent fell silent";
      hand?.lost(how);
    }
  }
}

/** On the host of one agent. */
class Hand implements RunningHost {
  readonly name: string;
  readonly ended: Promise<HostEnd>;
  readonly #agent: Member;
  readonly #conveyor: Conveyor;
  readonly #options: ClusterFleetOptions;
  readonly #onMessage: (message: FromHost) => void;
  #end: (end: HostEnd) => void = () => {};
  #over = false;
  #stopping = false;
  #pid: number | undefined;
  #reading: ClockReading | undefined;
  #desk: Connection | undefined;
  /** What the host said while this end joins the data plane. */
  #held: FromHost[] | undefined;

  constructor(
    agent: Member,
    conveyor: Conveyor,
    options: ClusterFleetOptions,
    onMessage: (message: FromHost) => void,
  ) {
    this.name = agent.id;
    this.#agent = agent;
    this.#conveyor = conveyor;
    this.#options = options;
    this.#onMessage = onMessage;
    this.ended = new Promise((resolve) => {
      this.#end = (end) => {
        this.#over = true;
        resolve(end);
      };
    });
  }

  /** Its host is no more, as far as this end knows. */
  get over(): boolean {
    return this.#over;
  }

  /** It was told to end the run. */
  get stopping(): boolean {
    return this.#stopping;
  }

  get pid(): number | undefined {
    return this.#pid;
  }

  order(order: Down): void {
    this.#conveyor.push(toBytes(order));
  }

  post(message: ToHost): void {
    if (this.#over) return;
    this.#stopping ||= message.type === "stop";
    this.order({ type: "to", message });
  }

  kill(): void {
    if (this.#over) return;
    this.order({ type: "kill" });
    this.#options.timers.after(KILLED, () => this.lost("its agent did not say that it ended"));
  }

  clock(): ClockReading {
    if (this.#reading) return this.#reading;
    throw new PangaeaError("HOST_FAILED", `the clock of ${this.name} is not known`);
  }

  hear(said: Up): void {
    if (said.type === "started") this.#pid = said.pid;
    else if (said.type === "ended") this.#end(said.end);
    else if (this.#held) this.#held.push(said.message);
    else if (said.message.type === "listening") this.#meet(said.message);
    else this.#onMessage(said.message);
  }

  silence(): void {
    this.#conveyor.close();
  }

  lost(how: string): void {
    this.#end({ how, lastLines: [] });
    this.#conveyor.close();
  }

  /** Asks whether the agent is there: nobody subscribes where a process has ended. */
  check(): void {
    this.#checked().catch(() => {});
  }

  /** The offset of the fastest of a few round trips; one that is not answered costs no more than itself. */
  async learnClock(): Promise<void> {
    for (let ping = 0; ping < PINGS && !this.#over; ping++) {
      const asked = machineMicros();
      const answer = await this.#ask().catch(() => undefined);
      const roundTripMicros = machineMicros() - asked;
      if (answer?.type !== "clock") continue;
      const offsetMicros = Math.round(answer.micros - asked - roundTripMicros / 2);
      if (!this.#reading || roundTripMicros < this.#reading.roundTripMicros)
        this.#reading = { offsetMicros, roundTripMicros };
    }
  }

  /** Gives its agent back. */
  async close(): Promise<void> {
    const { timers } = this.#options;
    this.#conveyor.farewell(RELEASE);
    await this.#desk?.close();
    await emptied(this.#conveyor, ANSWER, timers);
  }

  async #checked(): Promise<void> {
    const { timers } = this.#options;
    for (let asking = 0; asking < 2; asking++) {
      try {
        await this.#ask();
        return;
      } catch (error) {
        if (!(error instanceof BusError && error.code === "BUS_NO_RESPONDERS")) return;
      }
      await new Promise<void>((resolve) => timers.after(DOUBT, resolve));
    }
    this.lost("its agent is gone");
  }

  async #ask(): Promise<DoorAnswer> {
    const question = encodeJson({ type: "clock" });
    const answer = this.#options.bus.request(door(this.#agent.id), question, { deadline: PING });
    return decodeJson(await answer) as DoorAnswer;
  }

  /** Joins the data plane before the host is told of the others. */
  #meet(listening: Extract<FromHost, { readonly type: "listening" }>): void {
    this.#held = [listening];
    const go = (): void => {
      for (const message of this.#held?.splice(0) ?? []) this.#onMessage(message);
      this.#held = undefined;
    };
    const { warn } = this.#options;
    const clock = this.#reading ? Promise.resolve() : this.learnClock();
    clock
      .then(() => (listening.address ? this.#dial(listening.address) : undefined))
      .catch((error: unknown) => {
        const why = error instanceof Error ? error.message : String(error);
        warn(`${this.name} cannot be dialled from here (${why}): its copies come over the bus`);
      })
      .then(go, go);
  }

  async #dial(address: HostAddress): Promise<void> {
    const { run, token, version, credentials } = this.#options;
    const connection = await dial(address, {
      ...{ name: DESK, run, token, version, helloMillis: DIAL_MILLIS },
      ...(credentials && { credentials }),
    });
    this.#desk = connection;
    attendDesk(connection, this.#onMessage);
  }
}

/** Closes a conveyor when all was acknowledged, or some time is over. */
async function emptied(conveyor: Conveyor, micros: Micros, timers: Timers): Promise<void> {
  let stop = (): void => {};
  const late = new Promise<void>((resolve) => {
    stop = timers.after(micros, resolve);
  });
  await Promise.race([conveyor.empty(), late]);
  stop();
  conveyor.close();
}
