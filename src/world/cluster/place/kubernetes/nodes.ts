/** Kubernetes' nodes as machines. */
import type { Machine } from "../machines.ts";

export interface KubeNode {
  readonly metadata: { readonly name: string; readonly labels?: Readonly<Record<string, string>> };
  readonly status?: { readonly allocatable?: Readonly<Record<string, string>> };
}

const SUFFIXES: Readonly<Record<string, number>> = {
  "": 1,
  m: 1e-3,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
};

/** "3920m" → 3.92, "16Gi" → 17179869184 */
export function quantity(text: string | undefined): number {
  const [, number = "0", suffix = ""] = /^([\d.]+)(\w*)$/.exec(text ?? "") ?? [];
  return Number(number) * (SUFFIXES[suffix] ?? 1);
}

export function machineOf({ metadata, status }: KubeNode, gpuResource: string): Machine {
  const has = (name: string): number => quantity(status?.allocatable?.[name]);
  return {
    labels: metadata.labels ?? {},
    cores: has("cpu"),
    memoryBytes: has("memory"),
    gpus: has(gpuResource),
  };
}
