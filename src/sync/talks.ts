/**
 * Who talks to whom in a training run: the nodes of a domain through its owners, owners of different domains with each
 * other, the nodes that a between brings with everybody. Workers never talk to workers, nor to another domain's owners.
 * So of a site only the hosts of its owners need a way to other sites (its hubs), the others none.
 */
import type { NodeId } from "../core/ids.ts";
import { type Deployment, siteOf } from "./contract.ts";

export type Talks = (a: NodeId, b: NodeId) => boolean;

export function talksOf({ domains, extra }: Deployment): Talks {
  const everybody = new Set(extra.map(({ node }) => node.id));
  const owners = new Set(domains.flatMap((domain) => domain.owners.map(({ node }) => node.id)));
  const domainOf = new Map(
    domains.flatMap((domain) =>
      [...domain.owners, ...domain.workers].map(({ node }) => [node.id, domain.id] as const),
    ),
  );
  return (a, b) => {
    if (everybody.has(a) || everybody.has(b)) return true;
    if (owners.has(a) && owners.has(b)) return true;
    return (owners.has(a) || owners.has(b)) && domainOf.get(a) === domainOf.get(b);
  };
}

/** Whether two hosts are to be joined: where nodes of theirs talk, or stand at one site. */
export function hostsThatTalk(
  talks: Talks,
  hostOf: Readonly<Record<NodeId, number>>,
): (a: number, b: number) => boolean {
  const nodesAt: NodeId[][] = [];
  for (const [node, host] of Object.entries(hostOf) as [NodeId, number][]) {
    nodesAt[host] ??= [];
    nodesAt[host].push(node);
  }
  const joined = (one: NodeId, other: NodeId): boolean =>
    siteOf(one) === siteOf(other) || talks(one, other);
  return (a, b) => (nodesAt[a] ?? []).some((one) => (nodesAt[b] ?? []).some((o) => joined(one, o)));
}
