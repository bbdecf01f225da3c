/**
 * Eleven EC2 regions, as in Gaia (Hsieh et al., NSDI'17).
 *
 * Sites, groups and hubs: the authors' code (github.com/kevinhsieh/non_iid_dml, commit ddc3111), where they
 * are written into the server. Bandwidths: the coarse graph "Gaia" of
 * github.com/omarfoq/communication-in-cross-silo-fl, graph_utils/data/gaia.gml (1500 to 100 Mbit/s; it may
 * have been traced from the paper's bar chart). Round trips: ping between small virtual machines, April
 * 2022, mean of both directions, and egress list prices of 2022-23: Skyplane's profiles
 * (github.com/skyplane-project/skyplane, Apache-2.0; Jain et al., NSDI 2023).
 */
import type { GridFile } from "./grid.ts";

export const EC2_11: GridFile = {
  sites: [
    { id: "virginia", name: "Virginia", latitude: 38.9, longitude: -77.4 },
    { id: "california", name: "California", latitude: 37.4, longitude: -121.9 },
    { id: "oregon", name: "Oregon", latitude: 45.8, longitude: -119.7 },
    { id: "ireland", name: "Ireland", latitude: 53.3, longitude: -6.3 },
    { id: "frankfurt", name: "Frankfurt", latitude: 50.1, longitude: 8.7 },
    { id: "tokyo", name: "Tokyo", latitude: 35.7, longitude: 139.7 },
    { id: "seoul", name: "Seoul", latitude: 37.6, longitude: 127.0 },
    { id: "singapore", name: "Singapore", latitude: 1.3, longitude: 103.8 },
    { id: "sydney", name: "Sydney", latitude: -33.9, longitude: 151.2 },
    { id: "mumbai", name: "Mumbai", latitude: 19.1, longitude: 72.9 },
    { id: "sao-paulo", name: "São Paulo", latitude: -23.5, longitude: -46.6 },
  ],
  /** The first of each group is its hub. */
  groups: [
    ["virginia", "california", "oregon", "sao-paulo"],
    ["tokyo", "seoul", "singapore", "sydney"],
    ["frankfurt", "ireland", "mumbai"],
  ],
  bandwidthMbps: [
    [0, 1000, 1000, 100, 100, 100, 100, 100, 100, 100, 500],
    [1000, 0, 1500, 100, 100, 100, 300, 100, 300, 100, 100],
    [1000, 1500, 0, 300, 100, 100, 300, 100, 100, 100, 100],
    [100, 100, 300, 0, 1500, 100, 100, 100, 100, 300, 100],
    [100, 100, 100, 1500, 0, 100, 100, 100, 100, 500, 100],
    [100, 100, 100, 100, 100, 0, 1000, 1000, 300, 300, 100],
    [100, 300, 300, 100, 100, 1000, 0, 1000, 100, 500, 100],
    [100, 100, 100, 100, 100, 1000, 1000, 0, 300, 500, 100],
    [100, 300, 100, 100, 100, 300, 100, 300, 0, 100, 100],
    [100, 100, 100, 300, 500, 300, 500, 500, 100, 0, 100],
    [500, 100, 100, 100, 100, 100, 100, 100, 100, 100, 0],
  ],
  roundTripMs: [
    [0, 59.5, 68.4, 84.9, 89.8, 168.4, 194.4, 236.6, 197.2, 187.7, 115.9],
    [59.5, 0, 20.7, 136.4, 147.4, 105.1, 135.1, 177.6, 136.4, 224.3, 177.0],
    [68.4, 20.7, 0, 122.3, 147.4, 97.6, 125.3, 166.3, 138.6, 210.8, 186.7],
    [84.9, 136.4, 122.3, 0, 22.5, 214.4, 240.6, 178.7, 254.8, 121.5, 179.6],
    [89.8, 147.4, 147.4, 22.5, 0, 222.8, 249.1, 155.1, 245.6, 113.9, 203.0],
    [168.4, 105.1, 97.6, 214.4, 222.8, 0, 32.4, 74.6, 114.6, 129.7, 281.7],
    [194.4, 135.1, 125.3, 240.6, 249.1, 32.4, 0, 95.8, 148.0, 151.6, 308.4],
    [236.6, 177.6, 166.3, 178.7, 155.1, 74.6, 95.8, 0, 93.4, 59.3, 359.2],
    [197.2, 136.4, 138.6, 254.8, 245.6, 114.6, 148.0, 93.4, 0, 140.7, 307.9],
    [187.7, 224.3, 210.8, 121.5, 113.9, 129.7, 151.6, 59.3, 140.7, 0, 298.7],
    [115.9, 177.0, 186.7, 179.6, 203.0, 281.7, 308.4, 359.2, 307.9, 298.7, 0],
  ],
  egressDollarsPerGB: [
    [0, 0.02, 0.02, 0.02, 0.02, 0.02, 0.02, 0.02, 0.02, 0.02, 0.02],
    [0.02, 0, 0.02, 0.02, 0.02, 0.02, 0.02, 0.02, 0.02, 0.02, 0.02],
    [0.02, 0.02, 0, 0.02, 0.02, 0.02, 0.02, 0.02, 0.02, 0.02, 0.02],
    [0.02, 0.02, 0.02, 0, 0.02, 0.02, 0.02, 0.02, 0.02, 0.02, 0.02],
    [0.02, 0.02, 0.02, 0.02, 0, 0.02, 0.02, 0.02, 0.02, 0.02, 0.02],
    [0.09, 0.09, 0.09, 0.09, 0.09, 0, 0.09, 0.09, 0.09, 0.09, 0.09],
    [0.08, 0.08, 0.08, 0.08, 0.08, 0.08, 0, 0.08, 0.08, 0.08, 0.08],
    [0.09, 0.09, 0.09, 0.09, 0.09, 0.09, 0.09, 0, 0.09, 0.09, 0.09],
    [0.098, 0.098, 0.098, 0.098, 0.098, 0.098, 0.098, 0.098, 0, 0.098, 0.098],
    [0.086, 0.086, 0.086, 0.086, 0.086, 0.086, 0.086, 0.086, 0.086, 0, 0.086],
    [0.138, 0.138, 0.138, 0.138, 0.138, 0.138, 0.138, 0.138, 0.138, 0.138, 0],
  ],
};
