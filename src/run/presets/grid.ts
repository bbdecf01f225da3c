/** Grids: sites and the links between them, as a file or a preset writes them. */
import { z } from "zod";
import { type SiteId, siteId } from "../../core/ids.ts";
import { GIGABIT, MEGABIT } from "../../core/units.ts";
import type { Link, Topology } from "../../world/topology.ts";

const matrix = z.array(z.array(z.number().nonnegative()));

export const GridFile = z
  .strictObject({
    sites: z
      .array(
        z.strictObject({
          id: z.string().regex(/^[a-z0-9][a-z0-9-]*$/),
          name: z.string().optional(),
          latitude: z.number().optional(),
          longitude: z.number().optional(),
        }),
      )
      .min(1),
    /** Groups of sites for an overlay; the first of each is its hub. */
    groups: z.array(z.array(z.string()).min(1)).optional(),
    /** Row: source; column: destination. The diagonal is not used. */
    bandwidthMbps: matrix,
    roundTripMs: matrix,
    egressDollarsPerGB: matrix.optional(),
  })
  .superRefine((grid, context) => {
    const n = grid.sites.length;
    for (const key of ["bandwidthMbps", "roundTripMs", "egressDollarsPerGB"] as const) {
      const rows = grid[key];
      if (rows && (rows.length !== n || rows.some((row) => row.length !== n))) {
        const message = `${key} must have ${n} rows of ${n} numbers, one for each pair of sites`;
        context.addIssue({ code: "custom", message, path: [key] });
      }
    }
    for (const [g, group] of (grid.groups ?? []).entries()) {
      for (const [i, id] of group.entries()) {
        if (grid.sites.some((site) => site.id === id)) continue;
        context.addIssue({ code: "custom", message: `no site ${id}`, path: ["groups", g, i] });
      }
    }
  });
export type GridFile = z.infer<typeof GridFile>;

/** A node's own link; the local network of every site. */
export const LAN = { bandwidth: 10 * GIGABIT, oneWayMicros: 100 } as const;

export interface Grid {
  readonly topology: Topology;
  readonly groups: readonly (readonly SiteId[])[] | undefined;
}

const LAN_LINK: Link = { ...LAN, bandwidth: 1e15, egressDollarsPerGB: 0, wan: false };

/** `lan`: the same sites on one local network; only the nodes' own links are narrow. */
export function gridOf(file: GridFile, network: "wan" | "lan"): Grid {
  const wide = (from: number, to: number): Link => ({
    bandwidth: (file.bandwidthMbps[from]?.[to] ?? 0) * MEGABIT,
    oneWayMicros: Math.round(((file.roundTripMs[from]?.[to] ?? 0) * 1000) / 2),
    egressDollarsPerGB: file.egressDollarsPerGB?.[from]?.[to] ?? 0,
    wan: true,
  });
  return {
    topology: {
      sites: file.sites.map((site) => ({
        id: siteId(site.id),
        name: site.name ?? site.id,
        latitude: site.latitude,
        longitude: site.longitude,
      })),
      link: network === "lan" ? () => LAN_LINK : wide,
      node: LAN,
    },
    groups: file.groups?.map((group) => group.map(siteId)),
  };
}

/** So many equal sites, every pair of them linked alike. */
export function uniformGrid(
  sites: { readonly count: number; readonly bandwidthMbps: number; readonly rttMs: number },
  network: "wan" | "lan",
): Grid {
  const width = String(sites.count - 1).length;
  const link: Link = {
    bandwidth: sites.bandwidthMbps * MEGABIT,
    oneWayMicros: Math.round((sites.rttMs * 1000) / 2),
    egressDollarsPerGB: 0.02,
    wan: true,
  };
  return {
    topology: {
      sites: Array.from({ length: sites.count }, (_, i) => {
        const name = `site-${String(i).padStart(width, "0")}`;
        return { id: siteId(name), name };
      }),
      link: network === "lan" ? () => LAN_LINK : () => link,
      node: LAN,
    },
    groups: undefined,
  };
}

/** Some of a grid's sites, in the order named. */
export function pick(file: GridFile, ids: readonly string[]): GridFile {
  const at = ids.map((id) => file.sites.findIndex((site) => site.id === id));
  const cut = (rows: readonly (readonly number[])[]): number[][] =>
    at.map((i) => at.map((j) => rows[i]?.[j] ?? 0));
  return {
    sites: at.flatMap((i) => file.sites[i] ?? []),
    bandwidthMbps: cut(file.bandwidthMbps),
    roundTripMs: cut(file.roundTripMs),
    ...(file.egressDollarsPerGB ? { egressDollarsPerGB: cut(file.egressDollarsPerGB) } : {}),
  };
}
