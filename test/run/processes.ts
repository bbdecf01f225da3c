/** Which processes there are, as the system tells it. */
import { execFileSync } from "node:child_process";
import { vi } from "vitest";

interface Listed {
  readonly pid: number;
  readonly parent: number;
  readonly state: string;
  readonly command: string;
}

function list(): readonly Listed[] {
  const lines = execFileSync("ps", ["-A", "-o", "pid=,ppid=,stat=,args="], { encoding: "utf8" });
  return lines
    .trim()
    .split("\n")
    .map((line) => {
      const [pid, parent, state = "", ...command] = line.trim().split(/\s+/);
      return { pid: Number(pid), parent: Number(parent), state, command: command.join(" ") };
    });
}

const runs = ({ state }: Listed): boolean => !state.startsWith("Z");

/** Hosts of local runs that a process has started and that live. */
export const childrenOf = (parent: number): readonly number[] =>
  list()
    .filter((one) => one.parent === parent && runs(one) && one.command.includes("live/entry"))
    .map(({ pid }) => pid);

/** Resolves when the process is no more. */
export const dies = (pid: number): Promise<unknown> =>
  vi.waitUntil(() => !list().some((one) => one.pid === pid && runs(one)), {
    timeout: 30_000,
    interval: 50,
  });
