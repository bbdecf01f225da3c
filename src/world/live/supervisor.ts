/**
 * Starts the hosts of a run, waits until they have joined each other, starts them all at one instant, merges their
 * events into one log, and ends them. A host that dies is reported by name, with how it ended, its last lines, and
 * who then waits for whom.
 */
import { PangaeaError, TimeoutError } from "../../core/errors.ts";
import type { RunEvent } from "../../core/events.ts";
import type { NodeId } from "../../core/ids.ts";
import type { Micros } from "../../core/units.ts";
import type { MemberChange } from "../members.ts";
import { callAt, machineMicros } from "./clock.ts";
import type { Fleet, RunningHost } from "./fleet.ts";
import { EventMerge } from "./merge.ts";
import { type FromHost, restored, type ToHost } from "./protocol.ts";
import { FRESH, gone, type Member, offsetOf, SAME_CLOCK, type State } from "./supervised.ts";
import { Watched } from "./watched.ts";

export interface SupervisorOptions {
  readonly fleet: Fleet;
  /** Names of the hosts; unique. */
  readonly names: readonly string[];
  /** What each is to do, for the run's part of a host. */
  readonly taskOf: (host: number) => unknown;
  /** Events of all hosts, in time order. */
  readonly onEvent: (event: RunEvent) => void;
  /** A program has returned. */
  readonly onEnded: (node: NodeId) => void;
  /** What the run's part of a host said. */
  readonly onSaid: (host: number, what: unknown) => void;
  /** The first failure: NODE_FAILED, HOST_LOST, or what a host could not load. The run cannot go on. */
  readonly onFailed: (error: PangaeaError) => void;
  /**
   * A host was lost in mid-run: what the others are to be told of its nodes. Throws where the run cannot go on
   * without them; absent: it never can.
   */
  readonly withdraw?: ((host: number) => readonly MemberChange[]) | undefined;
  /** A host can be started in the place of one that was lost: its nodes' changes, or nothing while it cannot join. */
  readonly admit?: ((host: number) => readonly MemberChange[] | undefined) | undefined;
  /** Every change so far: what a host must know that joins in mid-run. */
  readonly changes?: (() => readonly MemberChange[]) | undefined;
  /** A host was lost, and the run goes on; or has come in its place. */
  readonly onChanged?: ((type: "left" | "joined", host: string, text: string) => void) | undefined;
  /** Whether nodes of two hosts talk: others are not joined. Absent: all are. */
  readonly talk?: ((a: number, b: number) => boolean) | undefined;
  readonly warn?: ((text: string) => void) | undefined;
  /** Until all have joined. Default 120 s. */
  readonly joinMicros?: Micros | undefined;
}

/** Hosts get the instant of the start so long before it, and so many of their round trips. */
const START_MICROS: Micros = 50_000;
const START_ROUND_TRIPS = 4;
/** A question to a host that still lives is answered in this time, or not at all. */
const ANSWER_MICROS: Micros = 10_000_000;
/** Between the end of a connection and that of the host at its other end. */
const DYING_MICROS: Micros = 5_000_000;
const JOIN_MICROS: Micros = 120_000_000;
const UNWIND_MICROS: Micros = 60_000_000;
const LEAVE_MICROS: Micros = 5_000_000;
/** Source of the supervisor's own events. */
const SELF = "";

export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #merge: EventMerge;
  readonly #members: Member[] = [];
  readonly #answers = new Map<string, (what: unknown) => void>();
  /** States of the hosts, and answers. */
  readonly #hosts = new Watched();
  readonly #timers: (() => void)[] = [];
  /** Pairs of hosts of which the first could not dial the second, which is to dial now. */
  readonly #turns = new Set<string>();
  #startedAt: Micros | undefined;
  #goAt: Micros[] = [];
  /** Who was found lost before it is known when the run began. */
  #lostEarly: (() => void)[] | undefined;
  /** Not what another supervisor has asked before. */
  #asked = machineMicros();
  #closing = false;
  #failure: PangaeaError | undefined;

  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.#merge = new EventMerge([...options.names, SELF], options.onEvent);
    this.#merge.advance(SELF, Number.POSITIVE_INFINITY);
  }

  /** Time of the run. */
  now(): Micros {
    return this.#startedAt === undefined ? 0 : Math.max(0, machineMicros() - this.#startedAt);
  }

  /** Starts the hosts and waits until all have joined. @throws the first failure, or TIMEOUT that says for whom. */
  async join(): Promise<void> {
    const { fleet, names, taskOf } = this.#options;
    await fleet.open();
    names.forEach((_, index) => {
      this.#members[index] = this.#begin(index, taskOf(index));
    });
    await this.#all("listening");
    for (const member of this.#members) {
      const peers = this.#peersOf(member, this.#members);
      const dial = peers.filter((other) => other < member.index);
      this.#join(member.running, dial, peers.length);
    }
    await this.#all("joined");
    this.#watchReturns();
  }

  #watchReturns(): void {
    this.#options.fleet.onReturn?.((host) => {
      this.#return(host).catch((error: unknown) => this.#options.warn?.(asError(error).message));
    });
  }

  #begin(index: number, task: unknown, part = this.#startedAt === undefined): Member {
    const { fleet } = this.#options;
    const running = fleet.start(index, task, (message) => this.#hear(member, message));
    const member: Member = { ...FRESH, index, running, part };
    running.ended.then(
      ({ how, lastLines }) => this.#over(member, how, lastLines),
      (error: unknown) => this.#over(member, String(error), []),
    );
    return member;
  }

  /** Those of the others to which the host is to be joined. */
  #peersOf({ index }: Member, others: readonly Member[]): readonly number[] {
    const { talk = () => true } = this.#options;
    const numbers = others.map((other) => other.index);
    return numbers.filter((other) => other !== index && talk(index, other));
  }

  #join(running: RunningHost, dial: readonly number[], peers: number): void {
    const addresses = this.#members.map(({ address }) => address);
    running.post({ type: "join", dial, peers, addresses });
  }

  /**
   * Goes on with hosts that take part already, for another supervisor.
   * @param goAt when the run began, on the clock of each host's machine.
   * @param retell whether hosts keep their events: they are told from the first.
   */
  async attach(goAt: readonly Micros[], retell: boolean): Promise<void> {
    const { fleet, names, taskOf } = this.#options;
    await fleet.open();
    this.#startedAt = machineMicros();
    const lost: (() => void)[] = [];
    this.#lostEarly = lost;
    names.forEach((_, index) => {
      const member = this.#begin(index, taskOf(index), true);
      this.#members[index] = member;
      if (!retell) return;
      member.held = [];
      member.running.post({ type: "retell" });
    });
    const late = machineMicros() + (this.#options.joinMicros ?? JOIN_MICROS);
    const known = ({ state }: Member): boolean => /^(joined|stopped|lost|left)$/.test(state);
    const settled = (): boolean => this.#failure !== undefined || this.#members.every(known);
    await this.#hosts.until(() => settled() || machineMicros() >= late, late);
    if (this.#failure) throw this.#failure;
    for (const member of this.#members)
      if (!known(member)) this.#over(member, "silence: it did not say where it stands", []);
    // Of those that have stopped there are still the copies.
    const takesPart = ({ state, begun }: Member): boolean =>
      (state === "joined" && begun) || state === "stopped";
    const there = this.#members.find(takesPart);
    const instant = there && goAt[there.index];
    if (instant === undefined) throw new PangaeaError("HOST_LOST", "no host of the run is left");
    this.#startedAt = instant - offsetOf(there);
    this.#goAt = [...goAt];
    this.#lostEarly = undefined;
    for (const withdraw of lost) withdraw();
    // In the place of one that was lost, when whoever led the run could not tell it to begin.
    for (const member of this.#members)
      if (member.state === "joined" && !member.begun) this.#admit(member);
    this.#watchReturns();
  }

  /** Starts all programs at one instant. @returns it, on the clock of each host's machine */
  go(): readonly Micros[] {
    const clocks = this.#members.map(({ running }) => running.clock?.() ?? SAME_CLOCK);
    const far = Math.max(0, ...clocks.map(({ roundTripMicros }) => roundTripMicros));
    const at = machineMicros() + START_MICROS + START_ROUND_TRIPS * far;
    this.#startedAt = at;
    for (const member of this.#members) this.#start(member, []);
    return this.#goAt;
  }

  /** When the run began, on the clock of each host's machine. */
  get goAt(): readonly Micros[] {
    return this.#goAt;
  }

  #start(member: Member, members: readonly MemberChange[]): void {
    const at = (this.#startedAt ?? 0) + offsetOf(member);
    this.#goAt[member.index] = at;
    member.begun = true;
    member.running.post({ type: "go", at, members });
  }

  /** An event of the supervisor's own, at its place in time. */
  emit(event: RunEvent): void {
    this.#merge.add([event]);
  }

  /** Nothing of `time` or later is told before `time` is let go by a later value. */
  holdEvents(time: Micros): void {
    this.#merge.advance(SELF, time);
  }

  /** Cancels all programs and waits until they have unwound and their events are in. */
  async stop(reason: string): Promise<void> {
    for (const { running, state } of this.#members)
      if (state === "joined") running.post({ type: "stop", reason });
    // Hosts that do not get that far are ended by force.
    const late = machineMicros() + UNWIND_MICROS;
    const open = () =>
      this.#members.some(({ state, held }) => state === "joined" || (held && !gone(state)));
    await this.#hosts.until(() => !open() || machineMicros() >= late, late);
  }

  /** Asks the run's part of every host that lives; hosts that die before they answer are left out. */
  async askAll(what: unknown): Promise<readonly unknown[]> {
    const answers = await Promise.all(
      this.#members.map((member) => this.#ask(member, (id) => ({ type: "ask", id, what }))),
    );
    return answers.filter((answer) => answer !== undefined);
  }

  /** The run cannot be supervised from here any more. */
  abandon(error: Error): void {
    this.#fail(asError(error));
  }

  /** Ends all hosts and takes their files away. */
  async close(): Promise<void> {
    this.#closing = true;
    for (const { running, state } of this.#members) {
      if (state === "stopped") running.post({ type: "leave" });
      else running.kill();
    }
    const late = callAt(machineMicros() + LEAVE_MICROS, () => {
      for (const { running, state } of this.#members) if (!gone(state)) running.kill();
    });
    await Promise.all(this.#members.map(({ running }) => running.ended));
    late();
    for (const forget of this.#timers) forget();
    await this.#options.fleet.close();
  }

  #hear(member: Member, message: FromHost): void {
    switch (message.type) {
      case "report":
        // Answered on the way (briefing.ts), where the run asks for reports.
        return;
      case "listening":
        member.address = message.address;
        this.#become(member, "listening");
        return;
      case "unreached":
        this.#unreached(member, message.host, message.why);
        return;
      case "begun":
        member.begun = true;
        this.#become(member, "joined");
        return;
      case "joined":
      case "stopped":
        this.#become(member, message.type);
        return;
      case "events":
        this.#told(member, message);
        return;
      case "ended":
        this.#options.onEnded(message.node);
        return;
      case "failed":
        if (member.part) this.#fail(restored(message.failure));
        else this.#options.warn?.(`${member.running.name}: ${message.failure.message}`);
        return;
      case "broken":
        this.#broken(member, message.peer, restored(message.failure));
        return;
      case "waits":
        this.#answers.get(`waits ${member.index}`)?.(message.lines);
        return;
      case "answer":
        this.#answers.get(`${message.id} ${member.index}`)?.(message.what);
        return;
      case "said":
        this.#options.onSaid(member.index, message.what);
        return;
      case "warning":
        this.#options.warn?.(message.text);
        return;
      case "bus":
        return;
      default:
        message satisfies never;
    }
  }

  /** The other end dials; where that has failed already, both are told to have it relayed. */
  #unreached(member: Member, host: number, why: string): void {
    const other = this.#members[host];
    if (!other || gone(other.state)) return;
    const turn = `${other.running.name} ${member.running.name}`;
    if (!this.#turns.has(turn) && member.address) {
      this.#turns.add(`${member.running.name} ${other.running.name}`);
      other.running.post({ type: "dial", host: member.index, address: member.address });
      return;
    }
    const pair = `${member.running.name} and ${other.running.name}`;
    this.#options.warn?.(`${pair} cannot dial each other (${why}): what they say is relayed`);
    member.running.post({ type: "relay", host });
    other.running.post({ type: "relay", host: member.index });
  }

  #told(member: Member, { events, until, again }: Extract<FromHost, { type: "events" }>): void {
    if (member.held && !again) {
      for (const event of events) member.held.push(event);
      return;
    }
    // It was asked by two in turn: the first answer was whole.
    if (again && !member.held) return;
    member.held = undefined;
    this.#merge.add(events);
    this.#merge.advance(member.running.name, until);
    if (again) this.#hosts.changed();
  }

  /** Of a host that has ended, what it said before may come later. */
  #become(member: Member, state: State): void {
    if (gone(member.state)) return;
    member.state = state;
    this.#hosts.changed();
  }

  /** The thread or process of a host is no more. */
  #over(member: Member, how: string, lastLines: readonly string[]): void {
    const expected = this.#closing || this.#failure !== undefined || !member.part;
    this.#become(member, expected ? "left" : "lost");
    this.#merge.add(member.held ?? []);
    member.held = undefined;
    this.#merge.forget(member.running.name);
    if (expected) return;
    const withdraw = (): void => {
      this.#lost(member, how, lastLines).catch((error: unknown) => this.#fail(asError(error)));
    };
    if (this.#lostEarly) this.#lostEarly.push(withdraw);
    else withdraw();
  }

  async #lost(member: Member, how: string, lastLines: readonly string[]): Promise<void> {
    const { name, pid } = member.running;
    const place = pid === undefined ? `host ${name}` : `host ${name} (process ${pid})`;
    const when = this.#startedAt === undefined ? "" : ` at ${(this.now() / 1e6).toFixed(1)} s`;
    const what = [`${place} ended with ${how}${when}`, ...section("its last lines:", lastLines)];
    const cause = this.#without(member, what.join("\n"));
    if (cause === undefined) return;
    const waits = this.#startedAt === undefined ? [] : await this.#waits();
    const why = cause === "" ? [] : [`  ${cause}`];
    const parts = [...what, ...why, ...section("then:", waits)];
    this.#fail(new PangaeaError("HOST_LOST", parts.join("\n")));
  }

  /** Tells the others to go on without the host; or why that cannot be. */
  #without(member: Member, what: string): string | undefined {
    const { withdraw, onChanged } = this.#options;
    if (this.#startedAt === undefined || !withdraw) return "";
    try {
      const changes = withdraw(member.index);
      // They had left before.
      if (changes.length === 0) return undefined;
      this.#tell({ type: "members", changes, left: member.index });
      onChanged?.("left", member.running.name, `${what}\nthe run goes on without it`);
      return undefined;
    } catch (error) {
      return asError(error).message;
    }
  }

  /** To all that take part. */
  #tell(message: ToHost, except?: Member): void {
    for (const member of this.#members)
      if (member.state === "joined" && member.begun && member !== except)
        member.running.post(message);
  }

  /** Starts a host in the place of one that was lost: it joins the others, they are told, it begins. */
  async #return(host: number): Promise<void> {
    const before = this.#members[host];
    if (!before || !gone(before.state) || this.#closing || this.#failure) return;
    const member = this.#begin(host, this.#options.taskOf(host));
    this.#members[host] = member;
    const settled = (): boolean => member.state === "joined" || gone(member.state);
    const listens = (): boolean => member.state === "listening" || settled();
    const late = machineMicros() + (this.#options.joinMicros ?? JOIN_MICROS);
    await this.#hosts.until(() => listens() || machineMicros() >= late, late);
    // Also those that come at the same time, and were not told of this one.
    const there = this.#members.filter(({ state }) => state === "joined" || state === "joining");
    const peers = this.#peersOf(member, there);
    this.#become(member, "joining");
    this.#join(member.running, peers, peers.length);
    await this.#hosts.until(() => settled() || machineMicros() >= late, late);
    if (member.state === "joined" && !this.#closing) this.#admit(member);
    else member.running.kill();
  }

  /** The others are told of one that has joined them, and it begins; or it is ended, where it cannot take part now. */
  #admit(member: Member): void {
    const { index: came, running } = member;
    const news = this.#options.admit?.(came);
    member.part = news !== undefined;
    if (!news) {
      running.kill();
      return;
    }
    this.#merge.join(running.name, this.now());
    // Whoever led the run before may have told some of them, and not others: what is known is passed over.
    const members = this.#options.changes?.() ?? news;
    this.#tell({ type: "members", changes: members, came }, member);
    this.#start(member, members);
    this.#options.onChanged?.("joined", running.name, `${running.name} takes part`);
  }

  /** Every wait that there is, from the hosts that live. */
  async #waits(): Promise<readonly string[]> {
    const answers = await Promise.all(
      this.#members.map((member) => this.#ask(member, () => ({ type: "waits" }), "waits")),
    );
    return answers.flatMap((lines) => (lines ?? []) as string[]);
  }

  async #ask(
    member: Member,
    question: (id: number) => Parameters<RunningHost["post"]>[0],
    under?: string,
  ): Promise<unknown> {
    if (gone(member.state)) return undefined;
    const id = this.#asked++;
    const key = `${under ?? id} ${member.index}`;
    let answered = false;
    let answer: unknown;
    this.#answers.set(key, (what) => {
      answered = true;
      answer = what;
      this.#hosts.changed();
    });
    member.running.post(question(id));
    const late = machineMicros() + ANSWER_MICROS;
    await this.#hosts.until(() => answered || gone(member.state) || machineMicros() >= late, late);
    this.#answers.delete(key);
    return answer;
  }

  /** The end of a connection is the news of a dead host, unless that host lives on. */
  #broken(member: Member, peer: string, error: PangaeaError): void {
    if (this.#closing || this.#failure) return;
    const other = this.#members.find(({ running }) => running.name === peer);
    other?.running.check?.();
    member.running.check?.();
    const forget = callAt(machineMicros() + DYING_MICROS, () => {
      if (this.#closing || (other && gone(other.state)) || gone(member.state)) return;
      const what = `the connection between hosts ${member.running.name} and ${peer} broke`;
      this.#fail(new PangaeaError("HOST_LOST", `${what}: ${error.message}`, { cause: error }));
    });
    this.#timers.push(forget);
  }

  #fail(error: PangaeaError): void {
    if (this.#failure) return;
    this.#failure = error;
    this.#hosts.changed();
    this.#options.onFailed(error);
  }

  /** All hosts in a state; while joining, a failure or the deadline ends the wait. */
  async #all(state: State): Promise<void> {
    const micros = this.#options.joinMicros ?? JOIN_MICROS;
    const late = machineMicros() + micros;
    const lacking = () => this.#members.filter((member) => member.state !== state);
    await this.#hosts.until(
      () => this.#failure !== undefined || lacking().length === 0 || machineMicros() >= late,
      late,
    );
    if (this.#failure) throw this.#failure;
    if (lacking().length === 0) return;
    const names = lacking().map(({ running }) => running.name);
    const seconds = Math.round(micros / 1e6);
    throw new TimeoutError(`after ${seconds} s these hosts are not ${state}: ${names.join(", ")}`);
  }
}

const asError = (error: unknown): PangaeaError =>
  error instanceof PangaeaError ? error : new PangaeaError("HOST_FAILED", String(error));
const section = (title: string, lines: readonly string[]): readonly string[] =>
  lines.length === 0 ? [] : [`  ${title}`, ...lines.map((line) => `    ${line}`)];
