/**
 * Branded identifiers. A node's id is `site/role-index` ("virginia/worker-0"): it reads well in logs,
 * sorts by site, and its order is the order in which every reduction runs.
 */
declare const brand: unique symbol;

export type SiteId = string & { readonly [brand]: "site" };
export type NodeId = string & { readonly [brand]: "node" };

export type Role = "worker" | "server" | "coordinator" | "peer" | "registry" | "shipper";

export const siteId = (name: string): SiteId => name as SiteId;

export const nodeId = (site: SiteId, role: Role, index: number): NodeId =>
  `${site}/${role}-${index}` as NodeId;
