/** Cores, memory and GPUs against what the machines have that fit otherwise. */
import type { InputIssue } from "../../../core/errors.ts";
import type { PlacedProcess } from "./contract.ts";
import { impossible } from "./errors.ts";

export interface Size<Machine> {
  readonly key: string;
  readonly wanted: number;
  readonly unit: string;
  readonly of: (machine: Machine) => number;
}

/** @param fitting machines whose labels are right */
export function tooLarge<Machine>(
  process: PlacedProcess,
  fitting: readonly Machine[],
  sizes: readonly Size<Machine>[],
): readonly InputIssue[] {
  if (fitting.length === 0) {
    const all = Object.entries(process.labels).map(([key, value]) => `${key}: ${value}`);
    return [
      impossible(
        [process.name, "labels"],
        `no single node has all of ${all.join(", ")}`,
        undefined,
      ),
    ];
  }
  const issues = sizes.flatMap(({ key, wanted, unit, of }) => {
    const most = Math.max(...fitting.map(of));
    if (most >= wanted) return [];
    const message = `no node that fits has ${wanted} ${unit}`;
    return [impossible([process.name, key], message, `the largest has ${most} ${unit}`)];
  });
  if (issues.length > 0) return issues;
  if (fitting.some((machine) => sizes.every(({ wanted, of }) => of(machine) >= wanted))) return [];
  const message = "no single node has its cores, memory and GPUs together";
  return [impossible([process.name], message, undefined)];
}
