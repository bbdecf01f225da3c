/** Small questions about the network that several algorithms ask. */
import { nodeId, type SiteId } from "../core/ids.ts";
import type { NodeInfo } from "../world/contract.ts";
import type { NetworkFacts } from "./contract.ts";
import type { StreamRequest } from "./streams.ts";

/** The site with the largest total bandwidth to the others; the first of equals. */
export function bestConnected<Site extends { readonly id: SiteId }>({
  sites,
  network,
}: {
  readonly sites: readonly Site[];
  readonly network: NetworkFacts;
}): Site {
  const total = (site: Site): number =>
    sites.reduce(
      (sum, other) => (other === site ? sum : sum + network.bandwidth(site.id, other.id)),
      0,
    );
  // Over many sites the sum is over a million pairs: equal sites need no search.
  const candidates = sites.slice(0, 64);
  let best = candidates[0]!;
  for (const site of candidates) if (total(site) > total(best)) best = site;
  return best;
}

/** The node that coordinates a run on streams: at the named site, by default at the best-connected one. */
export function coordinatorOf(request: StreamRequest, named: string | undefined): NodeInfo {
  const { id } = request.sites.find((site) => site.id === named) ?? bestConnected(request);
  return { id: nodeId(id, "coordinator", 0), site: id, role: "coordinator", index: 0 };
}
