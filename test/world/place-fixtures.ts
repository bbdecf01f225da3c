/** What the tests of placers share. */
import { fileURLToPath } from "node:url";
import type { PangaeaError } from "../../src/core/errors.ts";
import type { PlacedProcess } from "../../src/world/cluster/place/contract.ts";

const file = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
const TSX = ["--import", import.meta.resolve("tsx")];

/** A TypeScript file of this folder as a command. */
export const script = (name: string, ...args: readonly string[]): readonly string[] => [
  process.execPath,
  ...TSX,
  file(name),
  ...args,
];

export const child = (behaviour: "waits" | "deaf" | "fails"): readonly string[] =>
  script("./place-child.ts", behaviour);

export const wanted = (
  name: string,
  command: readonly string[],
  more: Partial<PlacedProcess> = {},
): PlacedProcess => ({
  name,
  site: "oregon",
  command,
  env: { PLACED: name },
  cores: 1,
  memoryBytes: 64e6,
  labels: {},
  ...more,
});

/** What a promise rejects with. */
export const failure = async (promise: Promise<unknown>): Promise<PangaeaError> => {
  try {
    await promise;
  } catch (error) {
    return error as PangaeaError;
  }
  throw new Error("nothing failed");
};

/** Whether a process of this machine is there. */
export function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
