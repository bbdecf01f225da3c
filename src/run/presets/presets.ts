/** The grids that come with Pangaea, by name. */
import type { SITE_PRESETS } from "../spec.ts";
import { AWS_10 } from "./aws-10.ts";
import { EC2_11 } from "./ec2-11.ts";
import { type GridFile, pick } from "./grid.ts";

export const PRESETS: Readonly<Record<(typeof SITE_PRESETS)[number], GridFile>> = {
  "ec2-11": EC2_11,
  "aws-10": AWS_10,
  /** The near pair of Gaia's evaluation. */
  near: pick(EC2_11, ["virginia", "california"]),
  /** The far pair. */
  far: pick(EC2_11, ["singapore", "sao-paulo"]),
  /** The pair of docs/deploy.md. */
  "oregon-ireland": pick(EC2_11, ["oregon", "ireland"]),
};
