/**
 * An agent: a process or page that stays, is a member of the cluster, and takes runs one after another. It keeps one place
 * (or some) for a run, whose host it starts, watches and ends (assignment.ts). It refuses what is not signed by the
 * coordinator's key for this life of its own, and says why it takes no further run.
 */
import { Scope } from "../../core/scope.ts";
import { type Bytes, SECOND } from "../../core/units.ts";
import type { Bus, KeyValue } from "../bus/contract.ts";
import { BusError, isRetryable, timedOut } from "../bus/errors.ts";
import { decodeFrame, decodeJson, encodeJson } from "../bus/frame.ts";
import { freshName } from "../bus/fresh.ts";
import { join, type Member, type Membership, openMembers } from "../bus/membership.ts";
import { epochOf, orderCheck } from "../bus/signed.ts";
import type { Timers } from "../bus/timers.ts";
import { sleep, within } from "../bus/wait.ts";
import { machineMicros } from "../live/clock.ts";
import { Assignment, type StartHost } from "./assignment.ts";
import { COORDINATOR, type DoorAnswer, type Reserve } from "./orders.ts";
import { door, LEASES } from "./subjects.ts";

export interface MemberOptions {
  readonly bus: Bus;
  readonly timers: Timers;
  /** JetStream domain that keeps the members; by default that of the server which is connected to. */
  readonly domain?: string | undefined;
  readonly id: string;
  readonly site: string;
  readonly roles: readonly string[];
  /** Capacity and labels. `slots`: runs at a time, 1 by default. */
  readonly resources: Readonly<Record<string, number | string>>;
  readonly version: string;
  /** Who signs orders; absent (without keys): whoever reserves a place says so itself. */
  readonly coordinatorKey: string | undefined;
  /** Where its hosts are dialled; empty where it only dials out. */
  readonly address: string;
  readonly startHost: StartHost;
  /** Takes this run alone, and ends with it. */
  readonly once?: string | undefined;
  /** So much of a host's copies is kept while nobody leads its run. Default 256 MB. */
  readonly keepBytes?: Bytes | undefined;
  /** What there is to tell whoever runs it. */
  readonly notify: (text: string) => void;
  /** Leaves, and ends what runs. */
  readonly signal: AbortSignal;
}

/** Between beats of a member: a silence of three is suspicious. */
const BEAT = SECOND;
const REMEMBERED = 1000;
const AGAIN = 2 * SECOND;
/** To take its entry away. */
const FAREWELL = 2 * SECOND;
const NONE_HERE =
  "no coordinator has been here yet: the first `pangaea run`, or a node with --roles coordinator, makes the bucket of members";

/** Serves until the signal, or until the one run is over. */
export async function serveMember(options: MemberOptions): Promise<void> {
  const agent = new Agent(options);
  await agent.serve();
}

class Agent {
  readonly #options: MemberOptions;
  readonly #life = freshName();
  readonly #assignments = new Map<string, Assignment>();
  /** Of the last runs: an order that comes again is refused also when the run is over. */
  readonly #checks = new Map<string, ReturnType<typeof orderCheck>>();
  #over: () => void = () => {};

  constructor(options: MemberOptions) {
    this.#options = options;
  }

  async serve(): Promise<void> {
    const { bus, timers, id, signal, notify } = this.#options;
    const over = new Promise<void>((resolve) => {
      this.#over = resolve;
      signal.addEventListener("abort", () => resolve(), { once: true });
    });
    const serving = await bus.serve(door(id), (request, subject) => this.#asked(request, subject));
    const members = await this.#untilThere(over);
    if (!members) {
      serving.close();
      return;
    }
    const joining = join(members, this.#member(), { timers, everyMicros: BEAT });
    const membership = await Promise.race([joining, over]);
    if (!membership) {
      serving.close();
      await this.#takeLeave(joining);
      return;
    }
    membership.ended.then(
      (reason) => {
        if (reason === undefined) return;
        notify(`no longer a member: ${reason instanceof Error ? reason.message : String(reason)}`);
        this.#over();
      },
      () => this.#over(),
    );
    notify(`${id} is there for runs at ${this.#options.site}: ${this.#options.roles.join(", ")}`);
    if (!signal.aborted) await over;
    serving.close();
    await Promise.all([...this.#assignments.values()].map((one) => one.end("the agent leaves")));
    await this.#takeLeave(joining);
  }

  /** Where the bus has gone before, there is nobody to take leave of: others find out by its silence. */
  async #takeLeave(joining: Promise<Membership>): Promise<void> {
    const left = joining.then((membership) => membership.leave());
    const late = (): Error => timedOut("nobody heard that it leaves");
    await within(this.#options.timers, FAREWELL, left, late).catch(() => {});
  }

  #member(): Member {
    const { id, site, roles, resources, version, address } = this.#options;
    return {
      ...{ id, site, version },
      role: roles.join(","),
      address,
      resources: { slots: 1, ...resources, life: this.#life },
    };
  }

  /**
   * The members' bucket; nothing where it leaves before. A server that has just started may have no store yet; with keys
   * only coordinators make buckets, and none may have been there.
   */
  async #untilThere(over: Promise<void>): Promise<KeyValue | undefined> {
    const { bus, domain, coordinatorKey, timers, notify, signal } = this.#options;
    const nothing = over.then(() => undefined);
    let said: string | undefined;
    while (!signal.aborted) {
      try {
        const opening = openMembers(bus, domain, coordinatorKey !== undefined);
        return await Promise.race([opening, nothing]);
      } catch (error) {
        if (!isRetryable(error)) throw error;
        const { code, message } = error as BusError;
        const why = code === "BUS_NO_BUCKET" ? NONE_HERE : message;
        if (said !== why) notify(`waiting: ${why}`);
        said = why;
        const pause = new Scope();
        await Promise.race([sleep(timers, AGAIN, pause), nothing]);
        pause.cancel("it is over");
      }
    }
    return undefined;
  }

  #asked(request: Uint8Array, subject: string): Uint8Array | Promise<Uint8Array> {
    const question = decodeJson(request) as { readonly type?: unknown } | undefined;
    const answer = (said: DoorAnswer): Uint8Array => encodeJson(said);
    if (question?.type === "clock") return answer({ type: "clock", micros: machineMicros() });
    return this.#reserve(request, subject).then(answer);
  }

  async #reserve(order: Uint8Array, subject: string): Promise<DoorAnswer> {
    const claimed = decodeFrame<{ readonly run?: unknown }>(order);
    const asked = claimed && (decodeJson(claimed.data) as Partial<Reserve> | undefined);
    const run = claimed?.header.run;
    const key = this.#options.coordinatorKey ?? asked?.key;
    if (typeof run !== "string" || typeof key !== "string")
      throw new BusError("BUS_UNSIGNED", `an order on ${subject} that names no run or no key`);
    const known = this.#assignments.get(run);
    const check = this.#checks.get(run) ?? orderCheck(key, { run, role: COORDINATOR });
    const wanted = decodeJson(check(subject, order)) as Reserve;
    this.#remember(run, check);
    if (wanted.life !== this.#life) return refused("it was asked for in an earlier life");
    // It would obey no order to start.
    if (known?.released) return refused("it still ends what it had of this run");
    known?.ledIn(epochOf(order));
    if (known) return { type: "reserved", voice: known.voice };
    const why = this.#unwilling(run);
    if (why !== undefined) return refused(why);
    const { voice } = await this.#assign(run, epochOf(order), check);
    return { type: "reserved", voice };
  }

  /** Also of a run that is refused: the same order must not be obeyed when there is a place again. */
  #remember(run: string, check: ReturnType<typeof orderCheck>): void {
    this.#checks.delete(run);
    this.#checks.set(run, check);
    const [oldest] = this.#checks.keys();
    if (this.#checks.size > REMEMBERED && oldest !== undefined) this.#checks.delete(oldest);
  }

  #unwilling(run: string): string | undefined {
    const { once, resources } = this.#options;
    if (once !== undefined && run !== once) return `it is here for run ${once} only`;
    const slots = Number(resources["slots"] ?? 1);
    const busy = [...this.#assignments.keys()];
    return busy.length < slots ? undefined : `busy with run ${busy.join(", ")}`;
  }

  async #assign(
    run: string,
    epoch: number,
    check: ReturnType<typeof orderCheck>,
  ): Promise<Assignment> {
    const { notify, once } = this.#options;
    const assignment = new Assignment(run, epoch, check, this.#options);
    this.#assignments.set(run, assignment);
    assignment.over.then(
      () => {
        this.#assignments.delete(run);
        notify(`run ${run} is over`);
        if (once === run) this.#over();
      },
      () => this.#assignments.delete(run),
    );
    notify(`reserved for run ${run}`);
    await assignment.open(LEASES);
    return assignment;
  }
}

const refused = (why: string): DoorAnswer => ({ type: "refused", why });
