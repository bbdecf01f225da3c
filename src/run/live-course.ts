/**
 * The course of a run in real time, from its start to its end, whatever the run is of: its hosts are joined (or found
 * again, where another has led the run before) and started, their events make one log, who comes and goes is written
 * down, and the first reason ends it. What a run is judged by, and what is left of it, is its own part (live.ts,
 * stream-live.ts).
 */
import type { RunEnded, RunEvent } from "../core/events.ts";
import type { Finish } from "../sync/programs.ts";
import { Supervisor, type SupervisorOptions } from "../world/live/supervisor.ts";
import type { MemberChange } from "../world/members.ts";
import type { RunHost, RunOutcome } from "./host.ts";
import type { LiveTask } from "./live-host.ts";
import type { Stage } from "./live-stage.ts";
import type { RunSpec } from "./spec.ts";

type Reason = RunEnded["reason"];

/** Who takes part, as hosts come and go. */
export interface LiveSlots {
  /** Those whose end is that of the run. */
  readonly finish: Finish;
  changes(): readonly MemberChange[];
  /** @throws MEMBER_LOST where the run cannot go on without the host */
  withdraw(host: number): readonly MemberChange[];
  /** Nothing while the host cannot join. */
  admit(host: number): readonly MemberChange[] | undefined;
  /** Whether nodes of two hosts talk; absent: all do. */
  readonly talk?: (a: number, b: number) => boolean;
}

/** What is the run's own. */
export interface CourseParts {
  readonly slots: LiveSlots;
  /** Why the run is over when all programs that it waits for have returned. */
  readonly complete: Reason;
  /** Whether hosts keep what they have told (`Member.keepEvents`): then the log of a later coordinator is whole. */
  readonly keepsEvents: boolean;
  /** What the log begins with. */
  readonly opening: (notes: readonly string[]) => readonly RunEvent[];
  readonly onSaid: SupervisorOptions["onSaid"];
}

export class Course {
  readonly supervisor: Supervisor;
  readonly #spec: RunSpec;
  readonly #host: RunHost;
  readonly #stage: Stage;
  readonly #parts: CourseParts;
  readonly #over: Promise<void>;
  #finish!: () => void;
  /** Told before the log has begun: hosts that another has led do not wait for that. */
  #early: RunEvent[] | undefined = [];
  #reason: Reason | undefined;
  #failure: Error | undefined;

  constructor(spec: RunSpec, host: RunHost, stage: Stage, parts: CourseParts) {
    this.#spec = spec;
    this.#host = host;
    this.#stage = stage;
    this.#parts = parts;
    this.#over = new Promise((resolve) => {
      this.#finish = resolve;
    });
    this.supervisor = this.#supervise();
    stage.lost?.then(
      (error) => this.supervisor.abandon(error),
      () => {},
    );
  }

  /** What ended the run, where it could not go on. */
  get failure(): Error | undefined {
    return this.#failure;
  }

  /** Programs still run, or have all returned: what is judged of them counts. */
  get counts(): boolean {
    return this.#reason === undefined || this.#reason === this.#parts.complete;
  }

  /** From its start (or from here on) to its end. @param end what is left when the reason is known. */
  async run(end: () => Promise<RunOutcome>): Promise<RunOutcome> {
    const { signal } = this.#host;
    const interrupt = (): void => this.stop("interrupted");
    signal.addEventListener("abort", interrupt, { once: true });
    try {
      await this.#begin(interrupt);
      await this.#over;
      return await end();
    } finally {
      signal.removeEventListener("abort", interrupt);
      await this.supervisor.close();
      await this.#stage.close();
    }
  }

  async #begin(interrupt: () => void): Promise<void> {
    const { begun, note, record } = this.#stage;
    if (begun) await this.supervisor.attach(begun.goAt, this.#parts.keepsEvents);
    else await this.supervisor.join();
    const early = this.#early ?? [];
    this.#early = undefined;
    for (const event of this.#parts.opening([note])) this.#host.onEvent(event);
    for (const event of early) this.#take(event);
    if (this.#host.signal.aborted) interrupt();
    if (begun) return;
    const goAt = this.supervisor.go();
    record?.({ goAt });
  }

  /**
   * The first reason counts; but where all had ended, what is told or judged late of the time before may still say that
   * the run was over by then for another.
   */
  stop(reason: Reason): void {
    if (!this.counts || (this.#reason !== undefined && reason === "interrupted")) return;
    this.#reason = reason;
    this.#finish();
  }

  fail(error: Error): void {
    this.#failure ??= error;
    this.stop("failed");
  }

  /** The last event. @returns why the run was over */
  conclude(): Reason {
    const reason = this.#failure ? "failed" : (this.#reason ?? "finished");
    const message = this.#failure?.message;
    const t = this.supervisor.now();
    this.supervisor.emit({ type: "end", t, reason, ...(message ? { message } : {}) });
    this.supervisor.holdEvents(Number.POSITIVE_INFINITY);
    return reason;
  }

  #supervise(): Supervisor {
    const { fleet, names, links, hostOf, shared, files } = this.#stage;
    const { slots, onSaid } = this.#parts;
    const task: LiveTask = { spec: this.#spec, links, hostOf, files, ...(shared && { shared }) };
    return new Supervisor({
      fleet,
      names,
      taskOf: () => task,
      onEvent: (event) => this.#take(event),
      onEnded: (node) => {
        slots.finish.ended(node);
        this.#whenComplete();
      },
      withdraw: (host) => slots.withdraw(host),
      admit: (host) => slots.admit(host),
      changes: () => slots.changes(),
      talk: slots.talk,
      onChanged: (type, target, text) => this.#changed(type, target, text),
      onSaid,
      onFailed: (error) => this.fail(error),
      warn: (text) => this.#host.warn?.(text),
    });
  }

  #take(event: RunEvent): void {
    if (this.#early) {
      this.#early.push(event);
      return;
    }
    this.#host.onEvent(event);
    const { maxSeconds = Number.POSITIVE_INFINITY } = this.#spec.stop;
    if (this.#reason === undefined && event.t >= maxSeconds * 1e6) this.stop("maxSeconds");
  }

  #changed(fault: "left" | "joined", target: string, text: string): void {
    const t = this.supervisor.now();
    this.supervisor.emit({ type: "fault", t, fault, target });
    this.supervisor.emit({ type: "note", t, text });
    const { goAt } = this.supervisor;
    this.#stage.record?.({ members: this.#parts.slots.changes(), goAt });
    this.#whenComplete();
  }

  #whenComplete(): void {
    if (this.#parts.slots.finish.reached) this.stop(this.#parts.complete);
  }
}
