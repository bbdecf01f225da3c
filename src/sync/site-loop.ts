/**
 * The loop that every site of a run on streams runs, whatever its `between`: a batch arrives, is predicted, judged, then
 * learned (prequential, test-then-train: Gama, Sebastião and Rodrigues, "On evaluating stream learning algorithms",
 * Machine Learning 90, 2013). It is paced by the stream's arrival times, never waits for anybody else, and tells of
 * each batch by one `stream` event. What a `between` adds stands in `Around`.
 */
import type { Dataset } from "../core/dataset.ts";
import type { MarkEvent } from "../core/events.ts";
import type { SiteId } from "../core/ids.ts";
import type { Scope } from "../core/scope.ts";
import { batchesOf, batchRows } from "../data/streams/contract.ts";
import type { TailoredModel } from "../model/tailored.ts";
import type { World } from "../world/contract.ts";
import type { StreamRequest, StreamSite } from "./streams.ts";

/** A batch that has been predicted and not yet learned. */
export interface JudgedBatch {
  /** From 0, of this site. */
  readonly batch: number;
  readonly dataset: Dataset;
  /** A view of the stream: its rows never change. */
  readonly rows: Uint32Array;
  /** True and predicted class of each row; the batch's own arrays, which may be kept. */
  readonly labels: Int32Array;
  readonly predicted: Int32Array;
  readonly examples: number;
  readonly errors: number;
  /** Rows by true class, and the wrong ones among them. */
  readonly classCounts: Uint32Array;
  readonly classErrors: Uint32Array;
}

/** What a `between` does around a site's batches. The loop awaits what it answers: to block no batch, spawn. */
export interface Around {
  /** The model that predicts the next batch; asked for anew each time, so that it may be replaced. */
  model(): TailoredModel;
  /** Does work on the model while nobody else touches it; absent: nobody else does. */
  alone?<T>(work: () => Promise<T>): Promise<T>;
  /** Between judging and learning. */
  judged?(batch: JudgedBatch, scope: Scope): Promise<void> | void;
  /** Where the batch is learned; absent: by `model()`, here. Answers the operations that it cost this site. */
  learn?(batch: JudgedBatch, scope: Scope): Promise<number>;
  /** After learning and after the batch's event. */
  learned?(batch: JudgedBatch, scope: Scope): Promise<void> | void;
}

export interface SiteLoop {
  readonly world: World;
  readonly site: StreamSite;
  readonly request: Pick<StreamRequest, "dataset" | "classes" | "observer">;
}

/** In the store of a node that has begun its stream. */
const BEGUN = "stream.begun";
/** There, too: its model, as `TailoredModel.save` wrote it. */
const SAVED = "stream.model";
/** Batches between two savings: what a crash costs at most. */
const SAVE_EVERY = 20;

/**
 * Runs the site's stream to its end. A node that starts again after a crash, or that another takes the place of, goes on
 * with the batch that arrives next, and with the model that was last saved in its store: what arrived meanwhile is lost.
 */
export async function runSite(loop: SiteLoop, around: Around, scope: Scope): Promise<void> {
  const { world, site, request } = loop;
  const { stream } = site;
  request.observer.attach(site.id, () => around.model());
  const shifts = new Map(stream.shifts.map((shift) => [shift.batch, shift]));
  const again = world.members.incarnation(world.node.id) > 0;
  const begun = again || (await world.store.get(BEGUN)) !== undefined;
  const saved = await world.store.get(SAVED);
  if (saved) around.model().restore(saved);
  const first = begun ? Math.floor(world.clock.now() / stream.everyMicros) : 0;
  await world.store.put(BEGUN, new Uint8Array(1));
  for (let batch = first; batch < batchesOf(stream); batch++) {
    const early = (batch + 1) * stream.everyMicros - world.clock.now();
    if (early > 0) await world.clock.sleep(early, scope);
    scope.throwIfCancelled();
    const shift = shifts.get(batch);
    if (shift) mark(world, batch, "shift", { text: shift.what });
    const judged = await judge(loop, around, batch, scope);
    await around.judged?.(judged, scope);
    const flops = await (around.learn?.(judged, scope) ??
      world.spend(() => around.model().learn(judged), scope));
    world.emit({
      type: "stream",
      t: world.clock.now(),
      site: site.id,
      batch,
      examples: judged.examples,
      errors: judged.errors,
      classCounts: Array.from(judged.classCounts),
      modelBytes: around.model().bytes(),
      flops,
    });
    await around.learned?.(judged, scope);
    if ((batch + 1) % SAVE_EVERY !== 0) continue;
    const save = async (): Promise<Uint8Array> => around.model().save();
    await world.store.put(SAVED, await (around.alone?.(save) ?? save()));
  }
}

/** Something happened at a batch of this site's stream. */
export function mark(
  world: World,
  batch: number,
  what: MarkEvent["mark"],
  more: { readonly text?: string; readonly peer?: SiteId } = {},
): void {
  const { site } = world.node;
  world.emit({ type: "mark", t: world.clock.now(), site, batch, mark: what, ...more });
}

async function judge(
  { world, site, request: { dataset, classes } }: SiteLoop,
  around: Around,
  batch: number,
  scope: Scope,
): Promise<JudgedBatch> {
  const rows = batchRows(site.stream, batch);
  const predicted = new Int32Array(rows.length);
  const predict = () => around.model().predict({ dataset, rows }, predicted);
  await world.spend(() => around.alone?.(predict) ?? predict(), scope);
  return {
    batch,
    dataset,
    rows,
    predicted,
    ...compare(labelsOf(dataset, rows), predicted, classes),
  };
}

/** True classes of the rows. */
export function labelsOf(dataset: Dataset, rows: Uint32Array): Int32Array {
  const labels = new Int32Array(rows.length);
  if (dataset.kind !== "dense") return labels;
  for (let i = 0; i < rows.length; i++) labels[i] = dataset.labels[rows[i]!]!;
  return labels;
}

/** Rows and errors by class. */
export function compare(labels: Int32Array, predicted: Int32Array, classes: number) {
  const classCounts = new Uint32Array(classes);
  const classErrors = new Uint32Array(classes);
  let errors = 0;
  for (let i = 0; i < labels.length; i++) {
    const label = labels[i]!;
    const wrong = predicted[i] === label ? 0 : 1;
    classCounts[label]! += 1;
    classErrors[label]! += wrong;
    errors += wrong;
  }
  return { labels, examples: labels.length, errors, classCounts, classErrors };
}
