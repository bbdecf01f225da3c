/**
 * The network of a run as plain data: sites, the links between them, the network inside a site. Presets and
 * grid files give this; the simulated world delays by it, the local world shapes by it.
 */
import type { SiteId } from "../core/ids.ts";
import type { BitsPerSecond, Micros } from "../core/units.ts";

export interface Site {
  readonly id: SiteId;
  readonly name: string;
  readonly latitude?: number | undefined;
  readonly longitude?: number | undefined;
}

/** One ordered pair of sites. All nodes of the two sites share it. */
export interface Link {
  readonly bandwidth: BitsPerSecond;
  readonly oneWayMicros: Micros;
  /** Price of a gigabyte that leaves `from` for `to`. */
  readonly egressDollarsPerGB: number;
  /** False where the two sites stand on one local network (the `lan` preset). */
  readonly wan: boolean;
}

export interface Topology {
  readonly sites: readonly Site[];
  /** The link of an ordered pair of different sites, by index into `sites`. */
  readonly link: (from: number, to: number) => Link;
  /** Network inside a site: each node's own link to the switch, in each direction. */
  readonly node: { readonly bandwidth: BitsPerSecond; readonly oneWayMicros: Micros };
}
