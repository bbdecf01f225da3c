/**
 * Hosts that report before the run is planned: a fleet around a fleet. All hosts are started, each says what must be
 * known of it, all get one answer (the briefing), and then they go on to join each other under a supervisor. A host
 * that is started later, in the place of another, reports too and gets the same briefing.
 */
import { CancelledError, PangaeaError, TimeoutError } from "../../core/errors.ts";
import type { Micros } from "../../core/units.ts";
import { callAt, machineMicros } from "./clock.ts";
import type { Fleet, RunningHost } from "./fleet.ts";
import { type FromHost, restored } from "./protocol.ts";

interface Early {
  readonly running: RunningHost;
  report: unknown;
  reported: boolean;
  /** What it said that was not for this part. */
  readonly held: FromHost[];
  /** The supervisor's ear, once it listens. */
  onMessage: ((message: FromHost) => void) | undefined;
}

export interface ReportOptions {
  /** Until all have reported: reading their data takes time. */
  readonly waitMicros: Micros;
  readonly signal: AbortSignal;
  /** Settles when the run is led from elsewhere. */
  readonly lost?: Promise<Error> | undefined;
}

export class BriefedFleet implements Fleet {
  readonly #fleet: Fleet;
  readonly #early = new Map<number, Early>();
  #briefing: { readonly what: unknown } | undefined;
  #opened: Promise<void> | undefined;

  /** @param briefing of a run that goes on already. */
  constructor(fleet: Fleet, briefing?: unknown) {
    this.#fleet = fleet;
    this.#briefing = briefing === undefined ? undefined : { what: briefing };
  }

  /**
   * Starts all hosts. @returns their reports, in the order of the hosts
   * @throws the first failure; HOST_LOST; TIMEOUT that says for whom
   */
  async reports(
    names: readonly string[],
    task: unknown,
    options: ReportOptions,
  ): Promise<readonly unknown[]> {
    await this.open();
    await new Promise<void>((resolve, reject) => {
      const lacking = () => names.filter((_, host) => !this.#early.get(host)?.reported);
      const late = callAt(machineMicros() + options.waitMicros, () => {
        const message = `these hosts have not said what their data are: ${lacking().join(", ")}`;
        fail(new TimeoutError(message));
      });
      const done = (): void => {
        late();
        options.signal.removeEventListener("abort", interrupt);
      };
      const fail = (error: Error): void => {
        done();
        reject(error);
      };
      const interrupt = (): void => fail(new CancelledError("the run was interrupted"));
      options.signal.addEventListener("abort", interrupt, { once: true });
      options.lost?.then(fail, fail);
      const heard = (): void => {
        if (lacking().length > 0) return;
        done();
        resolve();
      };
      for (const host of names.keys()) this.#begin(host, task, heard, fail);
    });
    return names.map((_, host) => this.#early.get(host)?.report);
  }

  /** Answers all that have reported, and all that will. */
  brief(what: unknown): void {
    this.#briefing = { what };
    for (const { running } of this.#early.values()) running.post({ type: "briefing", what });
  }

  open(): Promise<void> {
    this.#opened ??= this.#fleet.open();
    return this.#opened;
  }

  /** A host that has reported is handed over with what it said since; any other is started. */
  start(host: number, task: unknown, onMessage: (message: FromHost) => void): RunningHost {
    const early = this.#early.get(host);
    if (early) {
      this.#early.delete(host);
      early.onMessage = onMessage;
      // Not before the supervisor knows the host.
      queueMicrotask(() => {
        for (const message of early.held.splice(0)) onMessage(message);
      });
      return early.running;
    }
    const running = this.#fleet.start(host, task, (message) => {
      if (message.type !== "report") onMessage(message);
      else if (this.#briefing) running.post({ type: "briefing", what: this.#briefing.what });
    });
    return running;
  }

  onReturn(listener: (host: number) => void): void {
    this.#fleet.onReturn?.(listener);
  }

  async close(): Promise<void> {
    await this.#opened;
    await this.#fleet.close();
  }

  #begin(host: number, task: unknown, heard: () => void, fail: (error: Error) => void): void {
    const running = this.#fleet.start(host, task, (message) => {
      if (early.onMessage && early.held.length === 0) early.onMessage(message);
      else if (message.type === "failed") fail(restored(message.failure));
      else if (message.type !== "report") early.held.push(message);
      else {
        early.report = message.what;
        early.reported = true;
        heard();
      }
    });
    const early: Early = {
      running,
      report: undefined,
      reported: false,
      held: [],
      onMessage: undefined,
    };
    this.#early.set(host, early);
    running.ended.then(
      ({ how, lastLines }) => {
        const lines = [`host ${running.name} ended with ${how}`, ...lastLines];
        fail(new PangaeaError("HOST_LOST", lines.join("\n  ")));
      },
      (error: unknown) => fail(error instanceof Error ? error : new Error(String(error))),
    );
  }
}
