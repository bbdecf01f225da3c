/**
 * A run on streams in real time: its course (live-course.ts), and its models. When the streams have ended each host
 * hands over the models of its sites. A host that dies takes its site with it; the others go on.
 */
import type { Buckets } from "../world/bus/buckets.ts";
import type { RunHost, RunOutcome } from "./host.ts";
import { Course } from "./live-course.ts";
import type { Stage } from "./live-stage.ts";
import type { RunSpec } from "./spec.ts";
import { streamOpening, streamOutcome } from "./stream-ends.ts";
import { StreamGaps } from "./stream-gaps.ts";
import type { SavedModel } from "./stream-models.ts";
import { planStreamRun, type StreamGround, type StreamPlan } from "./stream-plan.ts";
import { StreamSlots } from "./stream-slots.ts";

/** A run on streams before it is known where its nodes run. */
export interface PlannedStreams {
  readonly spec: RunSpec;
  readonly ground: StreamGround;
  readonly plan: StreamPlan;
}

/** The nodes' buckets are opened by their hosts, not where the run is led. */
const NOT_HERE: Buckets = {
  kv: () => Promise.reject(new Error("no node runs where the run is led")),
};

export function plannedStreams(spec: RunSpec, ground: StreamGround): PlannedStreams {
  return { spec, ground, plan: planStreamRun(spec, ground, { attach: () => {} }, NOT_HERE) };
}

export class LiveStreamRun {
  readonly #spec: RunSpec;
  readonly #plan: StreamPlan;
  readonly #course: Course;
  /** Of a log that another coordinator has begun. */
  readonly #gaps: StreamGaps | undefined;

  constructor({ spec, ground, plan }: PlannedStreams, host: RunHost, stage: Stage) {
    this.#spec = spec;
    this.#plan = plan;
    const gaps = stage.begun && new StreamGaps(plan.sites.map(({ id }) => id));
    const onEvent: RunHost["onEvent"] = (event) => {
      gaps?.apply(event);
      host.onEvent(event);
    };
    this.#gaps = gaps;
    this.#course = new Course(spec, { ...host, onEvent }, stage, {
      slots: new StreamSlots(plan, stage.hostOf, stage.begun?.members),
      complete: "finished",
      keepsEvents: true,
      opening: (notes) => streamOpening(spec, ground, notes),
      onSaid: () => {},
    });
  }

  execute(): Promise<RunOutcome> {
    return this.#course.run(() => this.#end());
  }

  async #end(): Promise<RunOutcome> {
    const { supervisor } = this.#course;
    await supervisor.stop("the run is over");
    const models = (await supervisor.askAll("models")) as (readonly SavedModel[])[];
    const text = this.#gaps?.text();
    if (text !== undefined) supervisor.emit({ type: "note", t: supervisor.now(), text });
    const reason = this.#course.conclude();
    if (this.#course.failure) throw this.#course.failure;
    return streamOutcome(this.#spec, reason, inOrder(this.#plan, models.flat()));
  }
}

const inOrder = ({ sites }: StreamPlan, models: readonly SavedModel[]): readonly SavedModel[] =>
  sites.flatMap(({ id }) => models.find(({ site }) => site === id) ?? []);
