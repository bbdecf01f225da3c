/**
 * Giving a joiner the live copy of a shard, with a clean cut through what every mirror sends (Chandy and Lamport,
 * "Distributed Snapshots", TOCS'85). From one moment on each mirror sends its updates to the joiner, too, and marks that
 * moment in what it sends to the giver. The copy holds what came before the marks, and nothing of what came after:
 * the joiner gets every update once.
 *
 * As a rule the copy is taken at once, and what still comes before a mark is added to it. An *exact* one, in lockstep over
 * bulk-synchronous workers, is that of the clock boundary at the latest clock of all marks, the joiner's first.
 */

import type { Update } from "../../../codec/update.ts";
import type { Kernels } from "../../../core/kernels/contract.ts";
import { addTo } from "./totals.ts";

/** A copy: the values without what the giver itself has yet to send, and the sums by group. */
export interface LiveCopy {
  readonly values: Float32Array;
  readonly totals: readonly Float32Array[];
  /** Clocks of the giver that are in it. */
  readonly own: number;
}

export class Handover {
  readonly ticket: number;
  /** Mirrors that the joiner hears from itself; it enters when all of them have spoken. */
  readonly sites: Set<string>;
  /** Those whose mark has not come. */
  readonly awaited: Set<string>;
  /** The latest clock of the marks so far. */
  clock: number;
  readonly exact: boolean;
  /** Exact: all have been told that clock. */
  told = false;
  /** Taken at this clock boundary. */
  copy: (LiveCopy & { readonly boundary: number }) | undefined;

  constructor(
    setup: { readonly ticket: number; readonly exact: boolean },
    peers: Iterable<string>,
    clock: number,
  ) {
    this.ticket = setup.ticket;
    this.exact = setup.exact;
    this.sites = new Set(peers);
    this.awaited = new Set(this.sites);
    this.clock = clock;
  }

  /** Another mirror that the joiner will hear from. */
  await(site: string): void {
    this.sites.add(site);
    this.awaited.add(site);
  }

  /** Something came from a peer of the group: it is in the copy if it came before its mark. */
  add(site: string, group: number, update: Update, kernels: Kernels): void {
    if (this.exact || !this.awaited.has(site) || !this.copy) return;
    addTo(this.copy.values, update, kernels);
    const total = this.copy.totals[group];
    if (total) addTo(total, update, kernels);
  }

  marked(site: string, clock: number): void {
    this.awaited.delete(site);
    this.clock = Math.max(this.clock, clock);
  }

  left(site: string): void {
    this.awaited.delete(site);
    this.sites.delete(site);
  }
}
