/** From a specification and its data to nodes: which sites, which workers, which rows where. */
import type { Dataset } from "../core/dataset.ts";
import { nodeId, type Role, type SiteId } from "../core/ids.ts";
import type { Random } from "../core/random.ts";
import { type NaturalSites, partition, partitionWithin } from "../data/partition.ts";
import type { NetworkFacts, SitePlan } from "../sync/contract.ts";
import type { NodeInfo } from "../world/contract.ts";
import type { Grid } from "./presets/grid.ts";
import type { RunSpec } from "./spec.ts";

const nodes = (site: SiteId, role: Role, count: number): NodeInfo[] =>
  Array.from({ length: count }, (_, index) => ({
    id: nodeId(site, role, index),
    site,
    role,
    index,
  }));

/** Deals the rows to sites by the split, then to each site's workers (users stay whole). */
export function planSites(
  spec: RunSpec,
  grid: Grid,
  train: Dataset,
  natural: NaturalSites | undefined,
  random: Random,
): SitePlan[] {
  const { sites } = grid.topology;
  const { workers, servers } = spec.sites;
  const { split } = spec.data;
  const parts = partition(train, split, sites.length, random.stream("sites"), natural);
  let number = 0;
  return sites.map(({ id }, s) => {
    const own = parts[s] as Uint32Array;
    const rows = partitionWithin(train, split, own, workers, random.stream(id));
    return {
      id,
      workers: nodes(id, "worker", workers).map((node, i) => ({
        node,
        number: number++,
        rows: rows[i] as Uint32Array,
      })),
      servers: nodes(id, "server", servers),
      examples: own.length,
    };
  });
}

/** What a between may know of the network, from the grid. */
export function networkFacts({ topology, groups }: Grid): NetworkFacts {
  const index = new Map(topology.sites.map((site, i) => [site.id, i]));
  const link = (a: SiteId, b: SiteId) => topology.link(index.get(a) ?? 0, index.get(b) ?? 0);
  return {
    bandwidth: (from, to) => link(from, to).bandwidth,
    roundTripMicros: (a, b) => link(a, b).oneWayMicros + link(b, a).oneWayMicros,
    presetGroups: groups,
  };
}
