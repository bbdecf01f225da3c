/** Copies of a run whose parts lie in several hosts: what a host tells of them, and how they are put together. */
import type { NodeId } from "../core/ids.ts";
import type { Micros } from "../core/units.ts";
import type { Deployment, Observer, Range, WorkerPlan } from "../sync/contract.ts";
import { CopyObserver, type ObserverOptions, type Sighting, type Snapshot } from "./observer.ts";
import { judgedCopies } from "./plan.ts";

/** A range of a copy as it was when so many clocks of updates were in. */
export interface Piece {
  readonly type: "piece";
  readonly copy: string;
  readonly start: number;
  readonly clock: number;
  readonly t: Micros;
  readonly values: Float32Array;
}

/** The private parameters of a worker. */
export interface Private {
  readonly type: "private";
  /** The worker's number in the run. */
  readonly worker: number;
  readonly copy: string;
  readonly own: Float32Array;
}

export type Told = Piece | Private;

interface Attached {
  readonly copy: string;
  readonly range: Range;
  readonly values: Float32Array;
  clock: number;
}

/** In a host: tells of its nodes' copies at each multiple of `every` clocks, and of all of them when asked. */
export class CopyTeller implements Observer {
  readonly #every: number;
  readonly #tell: (told: Told) => void;
  readonly #now: () => Micros;
  readonly #parts: Attached[] = [];
  readonly #privates = new Map<NodeId, { copy: string; worker: WorkerPlan; own: Float32Array }>();

  constructor(every: number, now: () => Micros, tell: (told: Told) => void) {
    this.#every = every;
    this.#now = now;
    this.#tell = tell;
  }

  attach(copy: string, range: Range, values: Float32Array): void {
    // Of a node that has left and come back, the new part counts.
    const before = this.#parts.findIndex((p) => p.copy === copy && p.range.start === range.start);
    if (before >= 0) this.#parts.splice(before, 1);
    this.#parts.push({ copy, range, values, clock: 0 });
  }

  attachPrivate(worker: WorkerPlan, copy: string, own: Float32Array): void {
    this.#privates.set(worker.node.id, { copy, worker, own });
  }

  reached(copy: string, range: Range, clock: number): void {
    const part = this.#parts.find((p) => p.copy === copy && p.range.start === range.start);
    if (!part) return;
    const passed = Math.floor(clock / this.#every) > Math.floor(part.clock / this.#every);
    part.clock = clock;
    if (passed) this.#tell(this.#piece(part));
  }

  /** A worker has finished a clock. */
  worked(node: NodeId, clock: number): void {
    if (clock % this.#every === 0 && this.#privates.has(node)) this.#tell(this.#private(node));
  }

  /** Everything as it is now. */
  all(): readonly Told[] {
    const privates = [...this.#privates.keys()].map((node) => this.#private(node));
    return [...this.#parts.map((part) => this.#piece(part)), ...privates];
  }

  #piece({ copy, range, values, clock }: Attached): Piece {
    const t = this.#now();
    return { type: "piece", copy, start: range.start, clock, t, values: own(values) };
  }

  #private(node: NodeId): Private {
    const { copy, worker, own: values } = this.#privates.get(node)!;
    return { type: "private", worker: worker.number, copy, own: own(values) };
  }
}

/** On a buffer of its own: what is told crosses to another thread or process whole. */
const own = (values: Float32Array): Float32Array => Float32Array.from(values);

export interface TimedSighting extends Sighting {
  /** When the last part of the last copy was there. */
  readonly t: Micros;
}

/** In the supervisor: puts together what hosts tell. */
export class CopyMirror {
  readonly #observer: CopyObserver;
  readonly #every: number;
  readonly #workers: ReadonlyMap<number, WorkerPlan>;
  readonly #mirrors = new Map<string, Float32Array>();
  readonly #times = new Map<number, Micros>();
  /** The last that was told of each part. */
  readonly #last = new Map<string, Told>();

  constructor(
    deployment: Deployment,
    options: Pick<ObserverOptions, "length" | "every">,
    onSighting: (sighting: TimedSighting) => void,
  ) {
    this.#every = options.every;
    this.#workers = workersOf(deployment);
    this.#observer = new CopyObserver({
      ...options,
      copies: judgedCopies(deployment),
      onSighting: (sighting) => {
        const mark = this.#mark(sighting.clock);
        const t = this.#times.get(mark) ?? 0;
        this.#times.delete(mark);
        onSighting({ ...sighting, t });
      },
    });
  }

  take(told: Told): void {
    this.#last.set(partOf(told), told);
    if (told.type === "private") {
      const mirror = this.#mirror(`private ${told.worker}`, told.own.length, (values) => {
        const worker = this.#workers.get(told.worker);
        if (worker) this.#observer.attachPrivate(worker, told.copy, values);
      });
      mirror.set(told.own);
      return;
    }
    const { copy, start, clock, values, t } = told;
    const range = { start, end: start + values.length };
    const mirror = this.#mirror(`${copy} ${start}`, values.length, (made) =>
      this.#observer.attach(copy, range, made),
    );
    mirror.set(values);
    const mark = this.#mark(clock);
    this.#times.set(mark, Math.max(this.#times.get(mark) ?? 0, t));
    this.#observer.reached(copy, range, clock);
  }

  /** A copy has left, or is there again. */
  changed(copy: string, present: boolean): void {
    if (present) this.#observer.returned(copy);
    else this.#observer.left(copy);
  }

  /** What hosts have just told, and where a part is missing in it, what was last told of it. */
  completed(told: readonly Told[]): readonly Told[] {
    const parts = new Map(this.#last);
    for (const one of told) parts.set(partOf(one), one);
    return [...parts.values()];
  }

  /** Gives a sighting's buffers back. */
  release(sighting: Sighting): void {
    this.#observer.release(sighting);
  }

  #mark(clock: number): number {
    return Math.floor(clock / this.#every);
  }

  #mirror(key: string, length: number, attach: (made: Float32Array) => void): Float32Array {
    let mirror = this.#mirrors.get(key);
    if (!mirror) {
      mirror = new Float32Array(length);
      this.#mirrors.set(key, mirror);
      attach(mirror);
    }
    return mirror;
  }
}

const partOf = (told: Told): string =>
  told.type === "private" ? `private ${told.worker}` : `${told.copy} ${told.start}`;

/** The copies of which all parts were told. */
export function assembled(deployment: Deployment, length: number, told: readonly Told[]): Sighting {
  const workers = workersOf(deployment);
  const clocks: number[] = [];
  const snapshots = judgedCopies(deployment).flatMap((copy): Snapshot[] => {
    const pieces = told.filter((one) => one.type === "piece" && one.copy === copy) as Piece[];
    const covered = pieces.reduce((sum, { values }) => sum + values.length, 0);
    if (covered !== length) return [];
    const parameters = new Float32Array(new SharedArrayBuffer(4 * length));
    for (const { start, values, clock } of pieces) {
      parameters.set(values, start);
      clocks.push(clock);
    }
    const owners = told
      .flatMap((one) => (one.type === "private" && one.copy === copy ? [one] : []))
      .sort((a, b) => a.worker - b.worker)
      .flatMap(({ worker, own }) => {
        const plan = workers.get(worker);
        return plan ? [{ worker: plan, own }] : [];
      });
    return [{ copy, parameters, owners }];
  });
  return { clock: clocks.length > 0 ? Math.min(...clocks) : 0, snapshots };
}

const workersOf = ({ domains }: Deployment): ReadonlyMap<number, WorkerPlan> =>
  new Map(domains.flatMap(({ workers }) => workers.map((worker) => [worker.number, worker])));
