/**
 * Judges the copies of a run on held-out data, outside the world's time. When every copy has reached the
 * next multiple of `every` clocks, each is judged on its own share of the test rows (together the shares
 * cover the test data once, so one judgement costs one pass whatever the number of copies), or, where
 * workers hold private parameters, on the test rows that belong to those.
 */
import type { Metrics } from "../core/events.ts";
import type { NodeId } from "../core/ids.ts";
import { type Judgement, toMetrics } from "../model/learner.ts";
import type { Observer, Range, WorkerPlan } from "../sync/contract.ts";

/** A judged copy, frozen at a clock. */
export interface Snapshot {
  readonly copy: string;
  readonly parameters: Float32Array;
  readonly owners: readonly { readonly worker: WorkerPlan; readonly own: Float32Array }[];
}

/** All copies at one clock. */
export interface Sighting {
  readonly clock: number;
  readonly snapshots: readonly Snapshot[];
}

export interface ObserverOptions {
  /** Copies in the order of their judgement. */
  readonly copies: readonly string[];
  /** Elements of a copy. */
  readonly length: number;
  readonly every: number;
  readonly onSighting: (sighting: Sighting) => void;
}

interface Copy {
  readonly ranges: { readonly range: Range; readonly values: Float32Array; clock: number }[];
  readonly privates: { readonly worker: WorkerPlan; readonly own: Float32Array }[];
}

interface Pending {
  readonly parameters: Float32Array;
  covered: number;
  owners: Snapshot["owners"];
}

/** Later than every mark, and not for good. */
const RETURNING = Number.MAX_SAFE_INTEGER;

const shared = (length: number): Float32Array =>
  new Float32Array(new SharedArrayBuffer(4 * length));

const copyOf = (values: Float32Array): Float32Array => {
  const copy = shared(values.length);
  copy.set(values);
  return copy;
};

export class CopyObserver implements Observer {
  readonly #options: ObserverOptions;
  readonly #copies = new Map<string, Copy>();
  /** By mark (clock / every), then by copy. */
  readonly #pending = new Map<number, Map<string, Pending>>();
  /** Copies that have left, and the first mark at which those count that have come back. */
  readonly #absent = new Map<string, number>();
  /** The last mark that was told of. */
  #latest = 0;
  /** Buffers of judged snapshots, to be used again. */
  readonly #free: Float32Array[] = [];

  constructor(options: ObserverOptions) {
    this.#options = options;
    for (const copy of options.copies) this.#copies.set(copy, { ranges: [], privates: [] });
  }

  attach(copy: string, range: Range, values: Float32Array): void {
    const ranges = this.#copies.get(copy)?.ranges;
    // A site that comes again has its copy at a new place.
    const before = ranges?.findIndex((known) => known.range.start === range.start) ?? -1;
    if (before >= 0) ranges?.splice(before, 1);
    ranges?.push({ range, values, clock: 0 });
  }

  attachPrivate(worker: WorkerPlan, copy: string, own: Float32Array): void {
    const privates = this.#copies.get(copy)?.privates;
    if (!privates) return;
    // A restarted worker has its parameters at a new place.
    const before = privates.findIndex((known) => known.worker.number === worker.number);
    if (before >= 0) privates.splice(before, 1);
    privates.push({ worker, own });
  }

  reached(copy: string, range: Range, clock: number): void {
    const { every, length } = this.#options;
    const part = this.#copies.get(copy)?.ranges.find((r) => r.range.start === range.start);
    if (!part) return;
    const mark = Math.floor(clock / every);
    const before = Math.floor(part.clock / every);
    part.clock = clock;
    if (mark === before) return;
    if (this.#absent.get(copy) === RETURNING) {
      // One that begins anew counts from the first mark of which nothing has been told.
      this.#absent.set(copy, Math.max(mark, this.#latest + 1));
      if (mark <= this.#latest) return;
    }

    const sighted = this.#pending.get(mark) ?? new Map<string, Pending>();
    this.#pending.set(mark, sighted);
    let pending = sighted.get(copy);
    if (!pending) {
      pending = { parameters: this.#free.pop() ?? shared(length), covered: 0, owners: [] };
      sighted.set(copy, pending);
    }
    pending.parameters.set(part.values, range.start);
    pending.covered += part.values.length;
    if (pending.covered < length) return;
    pending.owners = this.#privates(copy);
    this.#sight(mark, clock);
  }

  /** The copy is gone: the others are judged without it from the next sighting on. */
  left(copy: string): void {
    this.#absent.set(copy, Number.POSITIVE_INFINITY);
    for (const sighted of this.#pending.values()) sighted.delete(copy);
    const marks = [...this.#pending.keys()].sort((a, b) => a - b);
    for (const mark of marks) this.#sight(mark, mark * this.#options.every);
  }

  /** A worker's private parameters left with it. */
  workerLeft(node: NodeId): void {
    for (const { privates } of this.#copies.values()) {
      const at = privates.findIndex(({ worker }) => worker.node.id === node);
      if (at >= 0) privates.splice(at, 1);
    }
  }

  /** The copy is there again; it counts from the next mark that it reaches. */
  returned(copy: string): void {
    this.#absent.set(copy, RETURNING);
  }

  /** Tells of a mark that all copies have reached which count there. */
  #sight(mark: number, clock: number): void {
    const { length, copies } = this.#options;
    const sighted = this.#pending.get(mark);
    const counting = copies.filter((copy) => mark >= (this.#absent.get(copy) ?? 0));
    const reached = counting.every((name) => sighted?.get(name)?.covered === length);
    if (!sighted || !reached || counting.length === 0) return;
    // Parts tell of their marks in order: what lacks at an earlier one will not come.
    for (const earlier of [...this.#pending.keys()])
      if (earlier <= mark) this.#pending.delete(earlier);
    this.#latest = Math.max(this.#latest, mark);
    const of = (name: string): Pending | undefined =>
      counting.includes(name) ? sighted.get(name) : undefined;
    this.#options.onSighting({ clock, snapshots: this.#snapshots(of) });
  }

  /** The copies as they are now. */
  now(): Sighting {
    // A copy that joins counts here, too, once it was complete at a mark.
    const there = (name: string): boolean => (this.#absent.get(name) ?? 0) < RETURNING;
    const clocks = [...this.#copies].flatMap(([name, { ranges }]) =>
      there(name) ? ranges.map((r) => r.clock) : [],
    );
    const live = (name: string): Pending | undefined => {
      if (!there(name)) return undefined;
      const parameters = shared(this.#options.length);
      for (const { range, values } of this.#copies.get(name)?.ranges ?? []) {
        parameters.set(values, range.start);
      }
      return { parameters, covered: 0, owners: this.#privates(name) };
    };
    return { clock: clocks.length > 0 ? Math.min(...clocks) : 0, snapshots: this.#snapshots(live) };
  }

  /** Gives a sighting's buffers back. */
  release(sighting: Sighting): void {
    for (const { parameters } of sighting.snapshots) this.#free.push(parameters);
  }

  #privates(copy: string): Snapshot["owners"] {
    const privates = this.#copies.get(copy)?.privates ?? [];
    return [...privates]
      .sort((a, b) => a.worker.number - b.worker.number)
      .map(({ worker, own }) => ({ worker, own: copyOf(own) }));
  }

  #snapshots(of: (copy: string) => Pending | undefined): Snapshot[] {
    return this.#options.copies.flatMap((copy) => {
      const pending = of(copy);
      return pending ? [{ copy, parameters: pending.parameters, owners: pending.owners }] : [];
    });
  }
}

/** Judges parameters on rows of the test data. */
export type Judge = (
  parameters: Float32Array,
  rows: Uint32Array,
  own: Float32Array | undefined,
) => Promise<Judgement>;

export interface Verdict {
  readonly metrics: Metrics;
  /** By copy; only where there are several. */
  readonly sites: Readonly<Record<string, Metrics>> | undefined;
}

/** Test rows a judgement; enough pieces for every compute thread. */
const PIECE = 1250;

/**
 * Judges all copies. `share`: each copy sees its own share of the test rows; `all`: every copy sees all.
 * Rows of `testRowsOf` (by worker number) go with private parameters.
 */
export async function judgeAll(
  sighting: Sighting,
  judge: Judge,
  test: {
    readonly rows: Uint32Array;
    readonly ofWorker: (worker: number) => Uint32Array | undefined;
  },
  coverage: "share" | "all",
): Promise<Verdict> {
  const { snapshots } = sighting;
  const cutRows = (rows: Uint32Array): Uint32Array[] =>
    Array.from({ length: Math.ceil(rows.length / PIECE) }, (_, i) =>
      rows.subarray(i * PIECE, (i + 1) * PIECE),
    );
  const work = snapshots.map((snapshot, i) => {
    if (snapshot.owners.length > 0) {
      return snapshot.owners.flatMap(({ worker, own }) =>
        cutRows(test.ofWorker(worker.number) ?? new Uint32Array(0)).map((rows) =>
          judge(snapshot.parameters, rows, own),
        ),
      );
    }
    const from = Math.floor((test.rows.length * i) / snapshots.length);
    const to = Math.floor((test.rows.length * (i + 1)) / snapshots.length);
    const rows = coverage === "all" ? test.rows : test.rows.subarray(from, to);
    return cutRows(rows).map((piece) => judge(snapshot.parameters, piece, undefined));
  });
  const judged = await Promise.all(work.map((parts) => Promise.all(parts)));
  const sites =
    snapshots.length > 1
      ? Object.fromEntries(
          snapshots.map(({ copy }, i) => [copy, toMetrics(judged[i] ?? [])] as const),
        )
      : undefined;
  return { metrics: toMetrics(judged.flat()), sites };
}
