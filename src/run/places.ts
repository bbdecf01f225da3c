/** Where the nodes of a run in real time run. */
import type { NodeId } from "../core/ids.ts";
import type { NodeInfo } from "../world/contract.ts";
import type { Place } from "../world/live/network.ts";
import type { Grid } from "./presets/grid.ts";

/** The host of each node, and the site at which it stands. */
export function placesOf(
  nodes: Iterable<NodeInfo>,
  { topology }: Grid,
  hostOf: Readonly<Record<NodeId, number>>,
): ReadonlyMap<NodeId, Place> {
  const site = new Map(topology.sites.map(({ id }, index) => [id as string, index]));
  return new Map(
    [...nodes].map((node) => [
      node.id,
      { host: hostOf[node.id] ?? -1, site: site.get(node.site) ?? -1 },
    ]),
  );
}
