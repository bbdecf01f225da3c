/** Who sits where: the pods of a run, each for one process, and what becomes of them. */
import { PangaeaError } from "../../../../core/errors.ts";
import { type Micros, SECOND } from "../../../../core/units.ts";
import type { Timers } from "../../../bus/timers.ts";
import { within } from "../../../bus/wait.ts";
import type { Started } from "../all-or-none.ts";
import type { PlacedProcess, PlacementEnd, WaitingNote } from "../contract.ts";
import type { HttpClient } from "../http.ts";
import { lastLinesOf } from "../last-lines.ts";
import { CONTAINER, type Group } from "./manifest.ts";
import { keptMessage, type Pod, podState, seatOf } from "./pods.ts";
import { latestWarning } from "./reasons.ts";
import { PodWatch } from "./watch.ts";

interface Seat {
  readonly process: PlacedProcess;
  /** Its Job, and its pod once that is there. */
  readonly job: string;
  pod: string | undefined;
  readonly running: Promise<void>;
  readonly ended: Promise<PlacementEnd>;
  runs(): void;
  end(how: string, well: boolean, lastLines: readonly string[]): void;
  /** The pod whose end is being told. */
  ending: string | undefined;
  why: string | undefined;
  /** Each reason is told once: an image that cannot be pulled turns between two for ever. */
  readonly told: Set<string>;
}

export interface SeatOptions {
  readonly timers: Timers;
  readonly patience: Micros;
  /** From a Job's deletion until its pods are gone; then their nodes do not answer. */
  readonly farewell: Micros;
  readonly waiting?: ((note: WaitingNote) => void) | undefined;
}

const LOG_LINES = 8;
/** Between two looks at events. */
const LOOK: Micros = 5 * SECOND;
/** What says no more than that it is not there yet. */
const UNTOLD = new Set([undefined, "Pending", "ContainerCreating"]);

export class Seats {
  readonly #http: HttpClient;
  readonly #namespace: string;
  readonly #options: SeatOptions;
  readonly #seats: ReadonlyMap<string, Seat>;
  #open: number;
  #stopped = false;
  #forget: () => void = () => {};
  #explaining: Promise<void> = Promise.resolve();
  #watch: PodWatch | undefined;

  /** @param jobOf the name of a group's Job */
  constructor(
    http: HttpClient,
    namespace: string,
    groups: readonly Group[],
    jobOf: (group: Group) => string,
    options: SeatOptions,
  ) {
    this.#http = http;
    this.#namespace = namespace;
    this.#options = options;
    this.#seats = new Map(
      groups.flatMap((group) =>
        group.processes.map(
          (process, i) => [`${group.name}/${i}`, this.#seat(process, jobOf(group))] as const,
        ),
      ),
    );
    this.#open = this.#seats.size;
  }

  /** Follows the pods until each process has ended. Never rejects. */
  async follow(selector: string): Promise<void> {
    const of = { namespace: this.#namespace, selector };
    this.#watch = new PodWatch(this.#http, of, this.#options, {
      seen: (pod) => this.#seen(pod),
      deleted: (pod) => {
        const seat = this.#seats.get(seatOf(pod));
        if (seat && seat.ending === undefined) this.#tell(seat, pod, "kubernetes: deleted", false);
      },
      lost: (error) => {
        for (const seat of this.#seats.values()) seat.end(`lost: ${String(error)}`, false, []);
      },
    });
    this.#explainLater();
    await this.#watch.run();
    this.stop();
    await this.#explaining;
  }

  /** Stops following: who has not ended is not told of. */
  stop(): void {
    this.#stopped = true;
    this.#forget();
    this.#watch?.stop();
  }

  started(process: PlacedProcess, remove: () => Promise<void>): Started {
    const [key, seat] = [...this.#seats].find(([, one]) => one.process === process) as [
      string,
      Seat,
    ];
    const { job, running, ended } = seat;
    // What its name begins with.
    const pod = `${job}-${key.split("/")[1]}`;
    const placement = { name: process.name, where: `pod ${pod} in ${this.#namespace}`, ended };
    const cancel = async (): Promise<void> => {
      await remove();
      // A pod that was never made is not deleted either.
      if (seat.why === undefined && seat.ending === undefined) {
        seat.end("kubernetes: never made", false, []);
      }
      const { timers, farewell } = this.#options;
      await within(timers, farewell, ended, () => {
        this.stop();
        return new Error(`its pod ${seat.pod} is still there: its node may not answer`);
      });
    };
    return { placement, running, cancel };
  }

  #seat(process: PlacedProcess, job: string): Seat {
    const { promise: running, resolve: runs, reject: never } = withResolvers<void>();
    const { promise: ended, resolve } = withResolvers<PlacementEnd>();
    running.catch(() => {});
    let over = false;
    return {
      ...{ process, job, running, ended, told: new Set() },
      ...{ pod: undefined, ending: undefined, why: undefined },
      runs: () => runs(),
      end: (how, well, lastLines) => {
        if (over) return;
        over = true;
        if (well) runs();
        const said = lastLines.map((line) => `\n  ${line}`).join("");
        const message = `${process.name} ended before all ran: ${how}${said}`;
        never(new PangaeaError("PLACEMENT_FAILED", message, { fix: "see its last lines" }));
        resolve({ how, lastLines });
        this.#open--;
        if (this.#open === 0) this.stop();
      },
    };
  }

  #seen(pod: Pod): void {
    const seat = this.#seats.get(seatOf(pod));
    if (!seat || seat.ending !== undefined) return;
    seat.pod = pod.metadata.name;
    const state = podState(pod);
    if (state.phase === "running") {
      seat.why = "Running";
      seat.runs();
    } else if (state.phase === "waiting") {
      seat.why = state.why;
      this.#wait(seat, state.why);
    } else this.#tell(seat, pod, state.how, state.well);
  }

  #explainLater(): void {
    if (this.#stopped) return;
    this.#forget = this.#options.timers.after(LOOK, () => {
      this.#explaining = this.#explain().then(() => this.#explainLater());
    });
  }

  /** Looks at the events of those who wait and whose status does not say for what. */
  async #explain(): Promise<void> {
    for (const seat of this.#seats.values()) {
      if (this.#stopped || seat.ending !== undefined || !UNTOLD.has(seat.why)) continue;
      const about = seat.pod ?? seat.job;
      const why = await latestWarning(this.#http, this.#namespace, about).catch(() => undefined);
      if (why !== undefined) this.#wait(seat, why);
    }
  }

  #wait({ told, process }: Seat, why: string): void {
    if (told.has(why)) return;
    told.add(why);
    this.#options.waiting?.({ name: process.name, why });
  }

  /** An end, with the last lines: those that the pod keeps, else those of its log while there is one. */
  #tell(seat: Seat, pod: Pod, how: string, well: boolean): void {
    seat.ending = pod.metadata.name;
    const kept = keptMessage(pod);
    const lines =
      kept === undefined ? this.#log(pod.metadata.name) : Promise.resolve(lastLinesOf(kept));
    lines
      .catch(() => [])
      .then(
        (lastLines) => seat.end(how, well, lastLines),
        () => {},
      );
  }

  async #log(pod: string): Promise<readonly string[]> {
    const query = `container=${CONTAINER}&tailLines=${LOG_LINES}`;
    const path = `/api/v1/namespaces/${this.#namespace}/pods/${pod}/log?${query}`;
    const { status, body } = await this.#http.send("GET", path);
    return status < 300 ? lastLinesOf(typeof body === "string" ? body : JSON.stringify(body)) : [];
  }
}

interface Resolvers<T> {
  readonly promise: Promise<T>;
  readonly resolve: (value: T) => void;
  readonly reject: (error: Error) => void;
}

/** `Promise.withResolvers`, which Node 20 does not have. */
function withResolvers<T>(): Resolvers<T> {
  let resolve: (value: T) => void = () => {};
  let reject: (error: Error) => void = () => {};
  const promise = new Promise<T>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}
