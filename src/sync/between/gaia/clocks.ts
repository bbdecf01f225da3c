/**
 * Mirror clocks (Hsieh et al., NSDI'17, section 3.4): how far the same shard has come elsewhere, how long a
 * round trip takes, and by how many clocks (DS) this shard may therefore be ahead.
 */
import type { Micros } from "../../../core/units.ts";

/** A mirror, or a remote group seen through its router. */
export interface Mirror {
  readonly name: string;
  /** Clocks it has finished, as far as is known here. */
  clock: number;
  /** Clocks whose updates have all arrived here. */
  delivered: number;
  /** Smallest round trip measured; undefined until the first echo. */
  roundTrip: Micros | undefined;
}

/** Clock durations are the shortest of this many: waiting must not pass for slowness. */
const WINDOW = 16;

/** The name under which a remote group's clock is kept. */
export const groupName = (group: number): string => `group ${group}`;

export class MirrorClocks {
  readonly #mirrors = new Map<string, Mirror>();
  readonly #staleness: number | "auto";
  readonly #durations: Micros[] = [];
  readonly #expected: (name: string) => Micros | undefined;
  #last: Micros | undefined;

  /** @param expected the round trip to a mirror before its first echo; undefined where nothing is known. */
  constructor(
    names: readonly string[],
    staleness: number | "auto",
    expected: (name: string) => Micros | undefined = () => undefined,
  ) {
    this.#staleness = staleness;
    this.#expected = expected;
    for (const name of names) {
      this.#mirrors.set(name, { name, clock: 0, delivered: 0, roundTrip: undefined });
    }
  }

  /** A mirror takes part, at least as far as `clock`. */
  enter(name: string, clock: number): Mirror {
    let mirror = this.#mirrors.get(name);
    if (!mirror) {
      mirror = { name, clock, delivered: clock, roundTrip: undefined };
      this.#mirrors.set(name, mirror);
    }
    mirror.clock = Math.max(mirror.clock, clock);
    mirror.delivered = Math.max(mirror.delivered, clock);
    return mirror;
  }

  leave(name: string): void {
    this.#mirrors.delete(name);
  }

  /** The furthest mirror; `floor` if there is none ahead of it. */
  latest(floor: number): number {
    let most = floor;
    for (const { clock } of this.#mirrors.values()) most = Math.max(most, clock);
    return most;
  }

  mirror(name: string): Mirror | undefined {
    return this.#mirrors.get(name);
  }

  /** The slowest of some mirrors that take part, by what `of` counts. */
  minimum(names: readonly string[], of: "clock" | "delivered"): number {
    let least = Number.POSITIVE_INFINITY;
    for (const name of names) {
      const mirror = this.#mirrors.get(name);
      if (mirror) least = Math.min(least, mirror[of]);
    }
    return least;
  }

  /** Remembers how long the own clocks take. */
  tick(now: Micros): void {
    if (this.#last !== undefined) this.#durations.push(Math.max(1, now - this.#last));
    if (this.#durations.length > WINDOW) this.#durations.shift();
    this.#last = now;
  }

  measured(name: string, roundTrip: Micros): void {
    const mirror = this.#mirrors.get(name);
    if (mirror) mirror.roundTrip = Math.min(mirror.roundTrip ?? roundTrip, roundTrip);
  }

  /**
   * The round trip to a group, a sum of smallest round trips on the way. A later sum is a better one: an
   * early one would lack what was not measured yet.
   */
  composed(name: string, roundTrip: Micros): void {
    const mirror = this.#mirrors.get(name);
    if (mirror) mirror.roundTrip = roundTrip;
  }

  /** The smallest that its echoes took, so that no swing of the latency moves it; before the first what is expected. */
  roundTrip({ name, roundTrip }: Mirror): Micros | undefined {
    return roundTrip ?? this.#expected(name);
  }

  /** DS towards a mirror: ceil(round trip / clock duration) + 1, or the fixed number. */
  allowance(mirror: Mirror): number {
    if (this.#staleness !== "auto") return this.#staleness;
    const roundTrip = this.roundTrip(mirror);
    if (roundTrip === undefined || this.#durations.length === 0) return Number.POSITIVE_INFINITY;
    return Math.ceil(roundTrip / Math.min(...this.#durations)) + 1;
  }

  /** Mirrors that a shard at `clock` is too far ahead of. */
  tooSlow(clock: number): readonly string[] {
    const slow: string[] = [];
    for (const mirror of this.#mirrors.values()) {
      if (clock - mirror.clock > this.allowance(mirror)) slow.push(mirror.name);
    }
    return slow;
  }
}
