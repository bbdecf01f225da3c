/**
 * What a process asks of Slurm's nodes, and whether any node could ever give it. A label is a feature of a node: its
 * value, or its key where the value is empty (`region: oregon` asks for the feature "oregon").
 */
import type { InputIssue } from "../../../../core/errors.ts";
import { nearest } from "../../../../core/nearest.ts";
import type { PlacedProcess } from "../contract.ts";
import { impossible } from "../errors.ts";
import { tooLarge } from "../sizes.ts";

export interface SlurmNode {
  readonly name: string;
  /** By which others reach it; its name by default. */
  readonly address?: string | undefined;
  readonly features: readonly string[];
  readonly cpus: number;
  readonly memoryMegabytes: number;
  /** Generic resources by name. */
  readonly gres: Readonly<Record<string, number>>;
}

const MEGABYTE = 2 ** 20;
export const megabytesOf = ({ memoryBytes }: PlacedProcess): number =>
  Math.ceil(memoryBytes / MEGABYTE);

const featureOf = ([key, value]: readonly [string, string]): string => (value === "" ? key : value);
export const featuresOf = ({ labels }: PlacedProcess): readonly string[] =>
  Object.entries(labels).map(featureOf);

/** "gpu:a100:2(S:0),shard:4" → { gpu: 2, shard: 4 } */
export function gresOf(text: string): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const part of text.replace(/\([^)]*\)/g, "").split(",")) {
    const [name = "", ...rest] = part.split(":");
    const count = rest.find((word) => /^\d+$/.test(word));
    if (name !== "") counts[name] = (counts[name] ?? 0) + Number(count ?? 1);
  }
  return counts;
}

/** Why no node can take a process, each with its place and the nearest that there is. */
export function unmet(
  process: PlacedProcess,
  nodes: readonly SlurmNode[],
  gpuResource: string,
): readonly InputIssue[] {
  const known = [...new Set(nodes.flatMap(({ features }) => features))].sort();
  const issues: InputIssue[] = [];
  for (const label of Object.entries(process.labels)) {
    const feature = featureOf(label);
    if (known.includes(feature)) continue;
    const near = nearest(feature, known);
    const others = known.length === 0 ? "no node has any" : `there are ${known.join(", ")}`;
    issues.push(
      impossible(
        [process.name, "labels", label[0]],
        `no node of Slurm has the feature "${feature}"`,
        near === undefined ? others : `did you mean "${near}"?`,
      ),
    );
  }
  if (issues.length > 0) return issues;
  const fitting = nodes.filter(({ features }) =>
    featuresOf(process).every((feature) => features.includes(feature)),
  );
  return tooLarge(process, fitting, [
    { key: "cores", wanted: process.cores, unit: "cores", of: ({ cpus }) => cpus },
    {
      key: "memoryBytes",
      wanted: megabytesOf(process),
      unit: "MB",
      of: ({ memoryMegabytes }) => memoryMegabytes,
    },
    {
      key: "gpus",
      wanted: process.gpus ?? 0,
      unit: "GPUs",
      of: ({ gres }) => gres[gpuResource] ?? 0,
    },
  ]);
}
