/** The two usual ways in which sites form domains. */
import type { NodeInfo } from "../world/contract.ts";
import type { Domain, OwnerPlan, Range, SitePlan } from "./contract.ts";

/** Cuts [0, length) into `parts` ranges whose sizes differ by at most one. */
export function cut(length: number, parts: number): Range[] {
  return Array.from({ length: parts }, (_, k) => ({
    start: Math.floor((length * k) / parts),
    end: Math.floor((length * (k + 1)) / parts),
  }));
}

const own = (servers: readonly NodeInfo[], length: number): OwnerPlan[] =>
  cut(length, servers.length).map((range, shard) => ({
    node: servers[shard] as NodeInfo,
    shard,
    range,
  }));

/** Each site is a domain with a whole copy, sharded over its own servers. */
export const domainPerSite = (
  sites: readonly SitePlan[],
  length: number,
  divisor: "all" | "own",
): Domain[] => {
  const all = sites.reduce((sum, site) => sum + site.workers.length, 0);
  return sites.map((site) => ({
    id: site.id,
    sites: [site.id],
    workers: site.workers,
    owners: own(site.servers, length),
    divisor: divisor === "all" ? all : site.workers.length,
  }));
};

/** One domain over all sites: a single copy, its shards spread over every server there is. */
export const stretchedDomain = (sites: readonly SitePlan[], length: number): Domain => {
  const workers = sites.flatMap((site) => site.workers);
  return {
    id: "all",
    sites: sites.map((site) => site.id),
    workers,
    owners: own(
      sites.flatMap((site) => site.servers),
      length,
    ),
    divisor: workers.length,
  };
};
