/**
 * Who is there. Every node keeps an entry in the members bucket and rewrites it at a steady beat; whoever watches
 * learns from the gaps that it saw how long a silence is believable, per member. A member that is silent for its
 * deadline is suspected, for twice that it has left. While a watcher does not hear its own beat either, the bus
 * is what is silent, and nobody is suspected. Only durations are used, never a clock's time.
 */
import { z } from "zod";
import { invariant } from "../../core/errors.ts";
import type { Micros } from "../../core/units.ts";
import type { Bus, Change, KeyValue, Revision } from "./contract.ts";
import { BusError } from "./errors.ts";
import { decodeJson, encodeJson } from "./frame.ts";
import { freshName } from "./fresh.ts";
import { LearnedDeadline } from "./learned.ts";
import type { Timers } from "./timers.ts";

const Member = z.object({
  /** A node's id: "virginia/worker-0". */
  id: z.string(),
  site: z.string(),
  role: z.string(),
  /** Where its connections are accepted; empty where it only dials out. */
  address: z.string(),
  /** Capacities and labels that placement asks for: { cores: 4, memoryBytes: 8e9 }. */
  resources: z.record(z.string(), z.union([z.number(), z.string()])),
  version: z.string(),
});
export type Member = z.infer<typeof Member>;

const Beat = Member.extend({
  /** Of one life of the node. */
  incarnation: z.string(),
  beat: z.int().positive(),
  everyMicros: z.int().positive(),
});
type Beat = z.infer<typeof Beat>;

/** Entries of the dead go by themselves in the end, even if nobody watches. */
const ENTRY_SECONDS = 300;

/** The bucket's name: permissions of roles name it, too. */
export const MEMBERS = "members";

/**
 * The members at this client's domain, or at another one's.
 * @param existing for who may not make the bucket: BUS_NO_BUCKET until somebody has.
 */
export const openMembers = (bus: Bus, domain?: string, existing = false): Promise<KeyValue> =>
  bus.kv(MEMBERS, { ttlSeconds: ENTRY_SECONDS, domain, existing });

export interface Membership {
  readonly member: Member;
  /** Settles when the entry is no longer kept: undefined after `leave`, else why (MEMBER_REPLACED, …). */
  readonly ended: Promise<unknown>;
  /** Stops beating and takes the entry away. */
  leave(): Promise<void>;
}

/** Registers the node and keeps it registered. A node of the same id that joined earlier is replaced. */
export async function join(
  kv: KeyValue,
  member: Member,
  options: { readonly timers: Timers; readonly everyMicros: Micros },
): Promise<Membership> {
  const { timers, everyMicros } = options;
  const incarnation = freshName();
  let beat = 0;
  let stop: (() => void) | undefined;
  let ended = false;
  let beating: Promise<void> = Promise.resolve();
  const value = (): Uint8Array =>
    encodeJson({ ...Member.parse(member), incarnation, everyMicros, beat: ++beat } satisfies Beat);
  let revision: Revision = await kv.put(member.id, value());
  let finish: (reason?: unknown) => void = () => {};
  const end = new Promise<unknown>((resolve) => {
    finish = (reason) => {
      ended = true;
      stop?.();
      resolve(reason);
    };
  });
  const once = async (): Promise<void> => {
    try {
      revision = await kv.update(member.id, value(), revision);
    } catch (error) {
      if (!(error instanceof BusError)) return finish(error);
      if (error.code === "BUS_CONFLICT") revision = await resume(kv, member.id, incarnation, value);
      else if (!error.retryable) return finish(error);
    }
  };
  const schedule = (): void => {
    if (ended) return;
    stop = timers.after(everyMicros, () => {
      beating = once()
        .catch((error: unknown) => {
          if (!(error instanceof BusError && error.retryable)) finish(error);
        })
        .then(schedule);
    });
  };
  schedule();
  return {
    member,
    ended: end,
    leave: async () => {
      if (ended) return;
      finish();
      await beating;
      await kv.delete(member.id, revision);
    },
  };
}

/** After a conflict: the revision of our own entry, or of a new one where it expired. */
async function resume(
  kv: KeyValue,
  id: string,
  incarnation: string,
  value: () => Uint8Array,
): Promise<Revision> {
  const entry = await kv.get(id);
  if (!entry) return kv.create(id, value());
  const found = Beat.safeParse(decodeJson(entry.value)).data;
  if (found?.incarnation === incarnation) return entry.revision;
  throw new BusError("MEMBER_REPLACED", `another ${id} has joined in this one's place`);
}

export type MemberEvent =
  | { readonly type: "joined"; readonly member: Member }
  /** Deadline passed; `silentMicros` is how long nothing was heard. */
  | {
      readonly type: "suspected";
      readonly member: Member;
      readonly silentMicros: Micros;
      readonly deadlineMicros: Micros;
    }
  /** A suspected member was heard again. */
  | { readonly type: "returned"; readonly member: Member }
  | {
      readonly type: "left";
      readonly member: Member;
      readonly reason: "said so" | "silent" | "replaced";
    };

export interface MemberView {
  /** Those who have joined and not left, by id. */
  members(): readonly Member[];
  suspected(id: string): boolean;
  close(): void;
}

export interface ViewOptions {
  readonly timers: Timers;
  readonly notify: (event: MemberEvent) => void;
  /** The watcher's own member id: while its beat is not heard either, nobody is suspected. */
  readonly self?: string | undefined;
  /** Deviations that are still believed. */
  readonly k?: number | undefined;
}

/** Watches the members; events come from the moment of the call on, beginning with those who are there. */
export async function watchMembers(kv: KeyValue, options: ViewOptions): Promise<MemberView> {
  const view = new View(options);
  const watch = await kv.watch("all", (change) => view.hear(change));
  return {
    members: () => view.members(),
    suspected: (id) => view.suspected(id),
    close: () => {
      watch.close();
      view.close();
    },
  };
}

/** A silence of fewer announced beats is not suspected, whatever was seen. */
const LEAST_BEATS = 3;

interface Watched {
  member: Member;
  readonly incarnation: string;
  readonly gaps: LearnedDeadline;
  readonly everyMicros: Micros;
  beat: number;
  heard: Micros;
  /** Nothing was heard but the entry that was there. */
  first: boolean;
  suspected: boolean;
  stop: () => void;
}

class View {
  readonly #options: ViewOptions;
  readonly #watched = new Map<string, Watched>();
  /** The last beat of those who left: an old one that comes late does not bring them back. */
  readonly #gone = new Map<string, Pick<Beat, "incarnation" | "beat">>();

  constructor(options: ViewOptions) {
    this.#options = options;
  }

  members(): readonly Member[] {
    const members = [...this.#watched.values()].map(({ member }) => member);
    return members.sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  suspected(id: string): boolean {
    return this.#watched.get(id)?.suspected ?? false;
  }

  close(): void {
    for (const { stop } of this.#watched.values()) stop();
    this.#watched.clear();
  }

  hear({ key, value }: Change): void {
    const known = this.#watched.get(key);
    if (!value) {
      if (known) this.#left(known, "said so");
      return;
    }
    const beat = Beat.safeParse(decodeJson(value)).data;
    if (!beat || beat.id !== key) return;
    if (known?.incarnation === beat.incarnation) this.#heard(known, beat);
    else {
      const gone = this.#gone.get(key);
      if (gone?.incarnation === beat.incarnation && beat.beat <= gone.beat) return;
      if (known) this.#left(known, "replaced");
      this.#joined(beat);
    }
  }

  #joined(beat: Beat): void {
    const watched: Watched = {
      member: Member.parse(beat),
      incarnation: beat.incarnation,
      gaps: new LearnedDeadline(beat.everyMicros, this.#options.k),
      everyMicros: beat.everyMicros,
      beat: beat.beat,
      heard: this.#options.timers.now(),
      first: true,
      suspected: false,
      stop: () => {},
    };
    this.#watched.set(beat.id, watched);
    this.#arm(watched);
    this.#options.notify({ type: "joined", member: watched.member });
  }

  #heard(watched: Watched, beat: Beat): void {
    if (beat.beat <= watched.beat) return;
    const now = this.#options.timers.now();
    const beats = beat.beat - watched.beat;
    // Neither a silence that was suspected nor the rest of a beat that was under way when this watcher came is a
    // measure of the usual gap.
    if (!watched.suspected && !watched.first) watched.gaps.observe((now - watched.heard) / beats);
    watched.first = false;
    watched.member = Member.parse(beat);
    watched.beat = beat.beat;
    watched.heard = now;
    const returned = watched.suspected;
    watched.suspected = false;
    this.#arm(watched);
    if (returned) this.#options.notify({ type: "returned", member: watched.member });
  }

  #arm(watched: Watched): void {
    watched.stop();
    // Beats that come in a burst do not make the next one due sooner than it was announced.
    const deadline = Math.max(watched.gaps.deadline(), LEAST_BEATS * watched.everyMicros);
    watched.stop = this.#options.timers.after(deadline, () => this.#silent(watched, deadline));
  }

  #silent(watched: Watched, deadlineMicros: Micros): void {
    invariant(this.#watched.get(watched.member.id) === watched, "only members are timed");
    const { timers, notify } = this.#options;
    if (this.#busIsSilent()) {
      this.#arm(watched);
      return;
    }
    if (watched.suspected) {
      this.#left(watched, "silent");
      return;
    }
    watched.suspected = true;
    this.#arm(watched);
    const silentMicros = timers.now() - watched.heard;
    notify({ type: "suspected", member: watched.member, silentMicros, deadlineMicros });
  }

  #busIsSilent(): boolean {
    const { self, timers } = this.#options;
    const own = self === undefined ? undefined : this.#watched.get(self);
    return own !== undefined && timers.now() - own.heard >= own.gaps.deadline();
  }

  #left(watched: Watched, reason: "said so" | "silent" | "replaced"): void {
    watched.stop();
    const { incarnation, beat } = watched;
    this.#watched.delete(watched.member.id);
    this.#gone.set(watched.member.id, { incarnation, beat });
    this.#options.notify({ type: "left", member: watched.member, reason });
  }
}
