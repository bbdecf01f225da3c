/**
 * A shard that joins in mid-run, until it has the live copy: it asks the nearest mirror that was there before it, in its
 * own group if there is one, and keeps what peers send it until the copy is in. What a peer sent before it opened its
 * way to this shard is in the copy. A peer that the giver did not know when it cut the copy opens nothing: all that it
 * sends counts.
 */
import type { NodeId } from "../../../core/ids.ts";
import type { Message } from "../../../world/message.ts";
import { siteOf } from "../../contract.ts";

/** Attempts of an incarnation to get a copy; a giver may leave. */
const MOST_ATTEMPTS = 1000;

/** The incarnation that a ticket belongs to. */
export const incarnationOf = (ticket: number): number => Math.floor(ticket / MOST_ATTEMPTS);

export type Queue = "bulk" | "control";

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

  opened(site: string, queue: Queue): void {
    this.#open[queue].add(site);
    this.held = this.held.filter(
      ({ message, from }) => message.kind.queue !== queue || siteOf(from) !== site,
    );
  }

  #heard(site: string): boolean {
    return this.#open.bulk.has(site) && this.#open.control.has(site);
  }

  /** True when it was the giver: a new attempt is needed. */
  left(site: string): boolean {
    this.#able = this.#able.filter((other) => other !== site);
    this.held = this.held.filter(({ from }) => siteOf(from) !== site);
    return site === this.giver;
  }

  /** The copy is there, and every mirror that it was cut against has spoken or left. */
  ready(present: (site: string) => boolean): boolean {
    const sites = (this.copy?.header["sites"] as string | undefined)?.split(",") ?? [];
    return (
      this.copy !== undefined &&
      sites.every((site) => site === "" || !present(site) || this.#heard(site))
    );
  }
}
