/**
 * A run on streams in real time, as its supervisor sees it: hosts run the sites' programs, their events make one log,
 * and when the streams have ended each host hands over the models of its sites. A host that dies takes its site with it;
 * the others go on.
 */
import type { RunEnded, RunEvent } from "../core/events.ts";
import { Supervisor } from "../world/live/supervisor.ts";
import type { RunHost, RunOutcome } from "./host.ts";
import type { LiveTask } from "./live-host.ts";
import type { Stage } from "./live-stage.ts";
import type { RunSpec } from "./spec.ts";
import { streamOpening, streamOutcome } from "./stream-ends.ts";
import type { SavedModel } from "./stream-models.ts";
import type { StreamGround, StreamPlan } from "./stream-plan.ts";
import { StreamSlots } from "./stream-slots.ts";

export class LiveStreamRun {
  readonly #spec: RunSpec;
  readonly #ground: StreamGround;
  readonly #plan: StreamPlan;
  readonly #host: RunHost;
  readonly #stage: Stage;
  readonly #supervisor: Supervisor;
  readonly #slots: StreamSlots;
  readonly #over: Promise<void>;
  #finish!: () => void;
  #reason: RunEnded["reason"] | undefined;
  #failure: Error | undefined;

  constructor(
    spec: RunSpec,
    { ground, plan }: { readonly ground: StreamGround; readonly plan: StreamPlan },
    host: RunHost,
    stage: Stage,
  ) {
    this.#spec = spec;
    this.#ground = ground;
    this.#plan = plan;
    this.#host = host;
    this.#stage = stage;
    this.#slots = new StreamSlots(plan, stage.hostOf, stage.begun?.members);
    this.#over = new Promise((resolve) => {
      this.#finish = resolve;
    });
    this.#supervisor = this.#supervise();
    stage.lost?.then(
      (error) => this.#supervisor.abandon(error),
      () => {},
    );
  }

  async execute(): Promise<RunOutcome> {
    const { signal } = this.#host;
    const interrupt = (): void => this.#stop("interrupted");
    signal.addEventListener("abort", interrupt, { once: true });
    try {
      const { begun, note, record } = this.#stage;
      if (begun) await this.#supervisor.attach(begun.goAt);
      else await this.#supervisor.join();
      for (const event of streamOpening(this.#spec, this.#ground, [note]))
        this.#host.onEvent(event);
      if (signal.aborted) interrupt();
      if (!begun) {
        const goAt = this.#supervisor.go();
        record?.({ goAt });
      }
      await this.#over;
      return await this.#end();
    } finally {
      signal.removeEventListener("abort", interrupt);
      await this.#supervisor.close();
      await this.#stage.close();
    }
  }

  #supervise(): Supervisor {
    const { fleet, names, links, hostOf, shared } = this.#stage;
    const task: LiveTask = { spec: this.#spec, links, hostOf, ...(shared && { shared }) };
    const maxMicros = (this.#spec.stop.maxSeconds ?? Number.POSITIVE_INFINITY) * 1e6;
    return new Supervisor({
      fleet,
      names,
      taskOf: () => task,
      onEvent: (event: RunEvent) => {
        this.#host.onEvent(event);
        if (event.t >= maxMicros) this.#stop("maxSeconds");
      },
      onEnded: (node) => {
        this.#slots.finish.ended(node);
        if (this.#slots.finish.reached) this.#stop("finished");
      },
      withdraw: (host) => this.#slots.withdraw(host),
      admit: (host) => this.#slots.admit(host),
      changes: () => this.#slots.changes(),
      onChanged: (type, target, text) => this.#changed(type, target, text),
      onSaid: () => {},
      onFailed: (error) => {
        this.#failure ??= error;
        this.#stop("failed");
      },
      warn: (text) => this.#host.warn?.(text),
    });
  }

  #changed(fault: "left" | "joined", target: string, text: string): void {
    const t = this.#supervisor.now();
    this.#supervisor.emit({ type: "fault", t, fault, target });
    this.#supervisor.emit({ type: "note", t, text });
    this.#stage.record?.({ members: this.#slots.changes() });
    if (this.#slots.finish.reached) this.#stop("finished");
  }

  #stop(reason: RunEnded["reason"]): void {
    if (this.#reason !== undefined) return;
    this.#reason = reason;
    this.#finish();
  }

  async #end(): Promise<RunOutcome> {
    await this.#supervisor.stop("the run is over");
    const models = (await this.#supervisor.askAll("models")) as (readonly SavedModel[])[];
    const reason = this.#failure ? "failed" : (this.#reason ?? "finished");
    const message = this.#failure?.message;
    const t = this.#supervisor.now();
    this.#supervisor.emit({ type: "end", t, reason, ...(message ? { message } : {}) });
    if (this.#failure) throw this.#failure;
    return streamOutcome(this.#spec, reason, inOrder(this.#plan, models.flat()));
  }
}

const inOrder = ({ sites }: StreamPlan, models: readonly SavedModel[]): readonly SavedModel[] =>
  sites.flatMap(({ id }) => models.find(({ site }) => site === id) ?? []);
