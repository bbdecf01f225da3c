/**
 * Who talks to whom in a training run: the nodes of a domain through its owners, owners of different domains with each
 * other, the nodes that a between brings with everybody. Workers never talk to workers, nor to another domain's owners.
 * So of a site only the hosts of its owners need a way to other sites (its hubs), the others none.
 */
import type { NodeId } from "../core/ids.ts";
import type { Deployment } from "./contract.ts";

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

/**
 * Whether two hosts are to be joined: those of one site always, others where nodes of theirs talk.
 * @param hostOf where each node stands.
 * @param siteOf the site of each host.
 */
export function hostsThatTalk(
  talks: Talks,
  hostOf: Readonly<Record<NodeId, number>>,
  siteOf: (host: number) => string,
): (a: number, b: number) => boolean {
  const nodesAt = new Map<number, NodeId[]>();
  for (const [node, host] of Object.entries(hostOf) as [NodeId, number][])
    nodesAt.set(host, [...(nodesAt.get(host) ?? []), node]);
  const at = (host: number): readonly NodeId[] => nodesAt.get(host) ?? [];
  return (a, b) =>
    siteOf(a) === siteOf(b) || at(a).some((one) => at(b).some((other) => talks(one, other)));
}
