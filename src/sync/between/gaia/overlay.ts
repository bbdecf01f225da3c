/**
 * Who talks to whom. Sites of a group talk directly; between groups, routers aggregate before they forward
 * (Hsieh et al., NSDI'17; groups and multi-router pairs as in the authors' code). Without an overlay all
 * sites are one group. Where a router has left, the best-connected of those who have been there longest takes its place:
 * nobody gives way to a later joiner.
 */
import { type SiteId, siteId } from "../../../core/ids.ts";
import type { Micros } from "../../../core/units.ts";
import type { NetworkFacts, SitePlan } from "../../contract.ts";
import type { Overlay as OverlayOptions } from "./options.ts";

/** The incarnation of a site that is present; undefined: it is absent. */
export type Presence = (site: SiteId) => number | undefined;

export interface Overlay {
  readonly groups: readonly (readonly SiteId[])[];
  /** Index of the site's group. */
  readonly groupOf: ReadonlyMap<SiteId, number>;
  /** The site of group `from` that exchanges with group `to`; undefined where nobody is left to do it. */
  router(from: number, to: number, presence?: Presence): SiteId | undefined;
  readonly roundTripMicros: (a: SiteId, b: SiteId) => Micros;
}

export function createOverlay(
  sites: readonly SitePlan[],
  network: NetworkFacts,
  options: OverlayOptions | undefined,
): Overlay {
  const ids = sites.map((site) => site.id);
  const groups = chooseGroups(ids, network, options);
  const groupOf = new Map(groups.flatMap((group, g) => group.map((id) => [id, g] as const)));
  const hubs = groups.map((group, g) => {
    const named = options?.hubs?.[g];
    if (named !== undefined) return named as SiteId;
    const fromPreset = options?.groups === "preset" && network.presetGroups ? group[0] : undefined;
    return fromPreset ?? bestHub(group, ids, network);
  });
  const router: Overlay["router"] = (from, to, presence = () => 0) => {
    const of = (group: number): readonly SiteId[] => eldest(groups[group] ?? [], presence);
    if (options?.routers !== "multi") {
      const hub = hubs[from] as SiteId;
      const able = of(from);
      return able.length === 0 || able.includes(hub)
        ? able.at(0) && hub
        : bestHub(able, ids, network);
    }
    const [low, high] = from < to ? [from, to] : [to, from];
    const pair = bestPair(of(low), of(high), network);
    return from < to ? pair?.[0] : pair?.[1];
  };
  return { groups, groupOf, router, roundTripMicros: network.roundTripMicros };
}

/** Those of a group that are present and have been there longest. */
function eldest(group: readonly SiteId[], presence: Presence): readonly SiteId[] {
  const ages = group.map((site) => presence(site) ?? Number.POSITIVE_INFINITY);
  const least = Math.min(...ages);
  return group.filter((_, i) => least < Number.POSITIVE_INFINITY && ages[i] === least);
}

function chooseGroups(
  ids: readonly SiteId[],
  network: NetworkFacts,
  options: OverlayOptions | undefined,
): readonly (readonly SiteId[])[] {
  if (!options) return [ids];
  if (options.groups === "preset" && network.presetGroups) return network.presetGroups;
  if (options.groups === "auto" || options.groups === "preset") return autoGroups(ids, network);
  const named = (options.groups as readonly string[][]).map((group) => group.map(siteId));
  const rest = ids.filter((id) => !named.some((group) => group.includes(id)));
  return rest.length > 0 ? [...named, rest] : named;
}

/**
 * Average-linkage clustering on bandwidth: the two groups with the fastest links between them are joined
 * until about sqrt(n) are left, the number at which hub traffic and member traffic balance.
 */
export function autoGroups(ids: readonly SiteId[], network: NetworkFacts): SiteId[][] {
  let groups = ids.map((id) => [id]);
  const speed = (a: readonly SiteId[], b: readonly SiteId[]): number => {
    let sum = 0;
    for (const x of a) for (const y of b) sum += network.bandwidth(x, y);
    return sum / (a.length * b.length);
  };
  const wanted = Math.max(1, Math.round(Math.sqrt(ids.length)));
  while (groups.length > wanted) {
    let best: { a: number; b: number; speed: number } | undefined;
    for (let a = 0; a < groups.length; a++) {
      for (let b = a + 1; b < groups.length; b++) {
        const between = speed(groups[a] ?? [], groups[b] ?? []);
        if (!best || between > best.speed) best = { a, b, speed: between };
      }
    }
    if (!best) break;
    const { a, b } = best;
    const joined = [...(groups[a] ?? []), ...(groups[b] ?? [])];
    groups = groups.filter((_, i) => i !== a && i !== b);
    groups.splice(a, 0, joined);
  }
  return groups;
}

/** The member that reaches the other groups fastest; the first of equals. */
function bestHub(group: readonly SiteId[], ids: readonly SiteId[], network: NetworkFacts): SiteId {
  const outside = ids.filter((id) => !group.includes(id));
  const total = (id: SiteId): number =>
    outside.reduce((sum, other) => sum + network.bandwidth(id, other), 0);
  return group.reduce((best, id) => (total(id) > total(best) ? id : best));
}

/** The pair of sites, one of each group, with the fastest link; then the shortest round trip. */
function bestPair(
  left: readonly SiteId[],
  right: readonly SiteId[],
  network: NetworkFacts,
): readonly [SiteId, SiteId] | undefined {
  let best: readonly [SiteId, SiteId] | undefined;
  const better = (a: readonly [SiteId, SiteId], b: readonly [SiteId, SiteId]): boolean => {
    const gain = network.bandwidth(...a) - network.bandwidth(...b);
    return gain !== 0 ? gain > 0 : network.roundTripMicros(...a) < network.roundTripMicros(...b);
  };
  for (const a of left) for (const b of right) if (!best || better([a, b], best)) best = [a, b];
  return best;
}
