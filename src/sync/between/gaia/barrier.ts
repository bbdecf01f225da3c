/**
 * The selective barrier, receiver's side (Hsieh et al., NSDI'17, section 3.3): when updates outrun a link
 * their indexes arrive first, and reads of exactly those parameters wait for the values. A read waits for
 * what was announced before it came, not for what is announced later: it cannot starve.
 */
import { lowerBound, union } from "../../../core/sorted.ts";

/** A channel as its receiver names it: one site may send on several, each with sequences of its own. */
export interface Source {
  readonly site: string;
  /** Group that the updates come from. */
  readonly group: number;
}

const nameOf = ({ site, group }: Source): string => `${site} ${group}`;

interface Announcement {
  readonly from: Source;
  readonly channel: string;
  readonly sequence: number;
  /** Order of arrival at this shard, from 1. */
  readonly ticket: number;
  readonly indices: Uint32Array;
}

export class SelectiveBarrier {
  #open: Announcement[] = [];
  #arrived = 0;
  /** Per channel: the last sequence that was settled. */
  readonly #settled = new Map<string, number>();
  /** Per channel: the last sequence that was announced. */
  readonly #announced = new Map<string, number>();

  /** A read that comes now waits for announcements up to this number. */
  get ticket(): number {
    return this.#arrived;
  }

  announce(from: Source, sequence: number, indices: Uint32Array): void {
    const channel = nameOf(from);
    this.#announced.set(channel, sequence);
    if (sequence <= (this.#settled.get(channel) ?? 0)) return;
    this.#arrived++;
    this.#open.push({ from, channel, sequence, ticket: this.#arrived, indices });
  }

  /** Whether everything that a batch settles has been announced here. */
  knows(from: Source, sequence: number): boolean {
    return (this.#announced.get(nameOf(from)) ?? 0) >= sequence;
  }

  /** The indexes announced by `from` up to `sequence` and not yet settled: ascending, each once. */
  pending(from: Source, sequence: number): Uint32Array {
    const channel = nameOf(from);
    const sets = this.#open.filter((a) => a.channel === channel && a.sequence <= sequence);
    return union(sets.map((a) => a.indices));
  }

  /** The values of everything announced up to `sequence` are in. */
  settle(from: Source, sequence: number): void {
    const channel = nameOf(from);
    if (sequence <= (this.#settled.get(channel) ?? 0)) return;
    this.#settled.set(channel, sequence);
    this.#open = this.#open.filter((a) => a.channel !== channel || a.sequence > sequence);
  }

  /** The site has left, or another speaks for the group: its values will not come. */
  forget({ site, group }: { readonly site: string; readonly group?: number | undefined }): void {
    const gone = (from: Source): boolean =>
      from.site === site && (group === undefined || from.group === group);
    this.#open = this.#open.filter(({ from }) => !gone(from));
    for (const sequences of [this.#settled, this.#announced])
      for (const channel of sequences.keys()) {
        const [of, number] = channel.split(" ");
        if (of === site && (group === undefined || Number(number) === group))
          sequences.delete(channel);
      }
  }

  /** Everything that was announced comes again, another way. */
  clear(): void {
    this.#open = [];
    this.#settled.clear();
    this.#announced.clear();
  }

  /** The sites whose values a read of `indices` (absent: all) waits for. */
  blockers(ticket: number, indices: Uint32Array | undefined): readonly string[] {
    const senders = new Set<string>();
    for (const open of this.#open) {
      if (open.ticket > ticket) break;
      const { site } = open.from;
      if (!senders.has(site) && (!indices || intersects(open.indices, indices))) {
        senders.add(site);
      }
    }
    return [...senders];
  }
}

/** Whether two ascending sets share an element: the smaller is looked up in the larger. */
export function intersects(a: Uint32Array, b: Uint32Array): boolean {
  const [small, large] = a.length < b.length ? [a, b] : [b, a];
  for (let i = 0; i < small.length; i++) {
    const wanted = small[i] as number;
    if (large[lowerBound(large, wanted)] === wanted) return true;
  }
  return false;
}
