/** Small questions about the network that several algorithms ask. */
import type { SiteId } from "../core/ids.ts";
import type { NetworkFacts } from "./contract.ts";

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
