/** Whether any machine with labels could ever take a process: for schedulers that show their machines. */
import type { InputIssue } from "../../../core/errors.ts";
import { nearest } from "../../../core/nearest.ts";
import type { Bytes } from "../../../core/units.ts";
import type { PlacedProcess } from "./contract.ts";
import { impossible } from "./errors.ts";
import { tooLarge } from "./sizes.ts";

export interface Machine {
  readonly labels: Readonly<Record<string, string>>;
  readonly cores: number;
  readonly memoryBytes: Bytes;
  readonly gpus: number;
}

/** Why none can, each with its place and the nearest that there is. */
export function unmetByMachines(
  process: PlacedProcess,
  machines: readonly Machine[],
): readonly InputIssue[] {
  const wrong = Object.entries(process.labels).flatMap(([key, value]) => {
    const there = machines.flatMap(({ labels }) => labels[key] ?? []);
    return there.includes(value) ? [] : [noLabel(process, key, value, there, machines)];
  });
  if (wrong.length > 0) return wrong;
  const fitting = machines.filter(({ labels }) =>
    Object.entries(process.labels).every(([key, value]) => labels[key] === value),
  );
  const { cores, memoryBytes, gpus = 0 } = process;
  return tooLarge(process, fitting, [
    { key: "cores", wanted: cores, unit: "cores", of: (machine) => machine.cores },
    { key: "memoryBytes", wanted: memoryBytes, unit: "bytes", of: (m) => m.memoryBytes },
    { key: "gpus", wanted: gpus, unit: "GPUs", of: (machine) => machine.gpus },
  ]);
}

function noLabel(
  process: PlacedProcess,
  key: string,
  value: string,
  there: readonly string[],
  machines: readonly Machine[],
): InputIssue {
  const path = [process.name, "labels", key];
  if (there.length > 0) {
    const near = nearest(value, there);
    const others = `there are ${[...new Set(there)].sort().join(", ")}`;
    const fix = near === undefined ? others : `did you mean "${near}"?`;
    return impossible(path, `no node has the label ${key}: ${value}`, fix);
  }
  const near = nearest(
    key,
    machines.flatMap(({ labels }) => Object.keys(labels)),
  );
  const fix = near === undefined ? undefined : `did you mean "${near}"?`;
  return impossible(path, `no node has a label ${key} at all`, fix);
}
