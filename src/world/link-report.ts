/**
 * What a run measured of its links beside what was declared of them: an event for each ordered pair of sites. Several
 * nodes may have measured one link: the best goodput and the shortest round trip are the link's.
 */
import type { LinkEvent } from "../core/events.ts";
import type { Micros } from "../core/units.ts";
import type { PathEstimate } from "./contract.ts";
import { least } from "./link-meter.ts";
import type { Topology } from "./topology.ts";

export class LinkReport {
  readonly #topology: Topology;
  readonly #pairs = new Map<
    number,
    { readonly from: number; readonly to: number } & PathEstimate
  >();

  constructor(topology: Topology) {
    this.#topology = topology;
  }

  /** Of a way between two sites, given by their index in the topology; inside a site there is no link. */
  add(from: number, to: number, { goodput, roundTripMicros }: PathEstimate): void {
    if (from === to || (goodput === undefined && roundTripMicros === undefined)) return;
    const key = from * this.#topology.sites.length + to;
    const known = this.#pairs.get(key);
    this.#pairs.set(key, {
      from,
      to,
      goodput: Math.max(goodput ?? 0, known?.goodput ?? 0) || undefined,
      roundTripMicros: least(roundTripMicros, known?.roundTripMicros),
    });
  }

  /** By (from, to). */
  tell(t: Micros, emit: (event: LinkEvent) => void): void {
    const { sites, link, node } = this.#topology;
    const pairs = [...this.#pairs.values()].sort((a, b) => a.from - b.from || a.to - b.to);
    for (const { from, to, goodput, roundTripMicros } of pairs)
      emit({
        t,
        type: "link",
        from: sites[from]!.id,
        to: sites[to]!.id,
        ...(goodput === undefined ? {} : { goodput }),
        ...(roundTripMicros === undefined ? {} : { roundTripMicros }),
        declared: {
          bandwidth: Math.min(link(from, to).bandwidth, node.bandwidth),
          roundTripMicros: link(from, to).oneWayMicros + link(to, from).oneWayMicros,
        },
      });
  }
}
