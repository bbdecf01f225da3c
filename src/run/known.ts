/** The sites of a network that are known before the run: those of presets and of uniform grids. */
import { uniformGrid } from "./presets/grid.ts";
import { PRESETS } from "./presets/presets.ts";
import type { SitesSpec } from "./spec.ts";

/** What names of sites and groups can be checked against; nothing for a grid file. */
export interface KnownNetwork {
  readonly sites: readonly string[];
  /** Whether it comes with groups for an overlay. */
  readonly grouped: boolean;
}

export function knownNetwork(sites: SitesSpec): KnownNetwork | undefined {
  if (sites.preset !== undefined) {
    const grid = PRESETS[sites.preset];
    return { sites: grid.sites.map((site) => site.id), grouped: grid.groups !== undefined };
  }
  if (sites.count === undefined) return undefined;
  const grid = uniformGrid({ ...sites, count: sites.count }, sites.network);
  return { sites: grid.topology.sites.map((site) => site.id), grouped: false };
}
