/**
 * A shard that joins in mid-run, until it has the live copy: it asks the nearest mirror that was there before it, in its
 * own group if there is one, and keeps what the others send it until the copy is in.
 */
import type { NodeId } from "../../../core/ids.ts";
import type { Message } from "../../../world/message.ts";

/** Attempts of an incarnation to get a copy; a giver may leave. */
const MOST_ATTEMPTS = 1000;

/** The incarnation that a ticket belongs to. */
export const incarnationOf = (ticket: number): number => Math.floor(ticket / MOST_ATTEMPTS);

export interface Held {
  readonly message: Message;
  readonly from: NodeId;
}

export class Entry {
  /** Who gives the copy. */
  giver: string | undefined;
  copy: Message | undefined;
  held: Held[] = [];
  ticket: number;
  /** Present when this one joined, nearest first. */
  #able: readonly string[];
  readonly #open = { bulk: new Set<string>(), control: new Set<string>() };

  constructor(incarnation: number, able: readonly string[]) {
    this.ticket = incarnation * MOST_ATTEMPTS;
    this.#able = able;
  }

  /** The next attempt; false when nobody is left who could have a copy. */
  next(): boolean {
    this.ticket++;
    this.giver = this.#able[0];
    this.copy = undefined;
    this.held = [];
    this.#open.bulk.clear();
    this.#open.control.clear();
    return this.giver !== undefined;
  }

  opened(site: string, queue: "bulk" | "control"): void {
    this.#open[queue].add(site);
  }

  /** Whether what comes from a peer on a queue is for this incarnation and not in the copy. */
  takes(site: string, queue: "bulk" | "control"): boolean {
    return this.#open[queue].has(site);
  }

  /** True when it was the giver: a new attempt is needed. */
  left(site: string): boolean {
    this.#able = this.#able.filter((other) => other !== site);
    this.held = this.held.filter(({ from }) => !from.startsWith(`${site}/`));
    return site === this.giver;
  }

  /** The copy is there, and every mirror that it was cut against has spoken or left. */
  ready(present: (site: string) => boolean): boolean {
    const sites = (this.copy?.header["sites"] as string | undefined)?.split(",") ?? [];
    return (
      this.copy !== undefined &&
      sites.every(
        (site) =>
          site === "" ||
          !present(site) ||
          (this.takes(site, "bulk") && this.takes(site, "control")),
      )
    );
  }
}
