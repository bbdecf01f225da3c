/**
 * A child process with an orderly end: SIGTERM, then after a deadline SIGKILL for it and whatever it started. Its
 * output is kept for the last lines and handed on line by line.
 */
import { type ChildProcess, spawn } from "node:child_process";
import type { Readable } from "node:stream";
import { PangaeaError } from "../../../core/errors.ts";
import { MILLISECOND, type Micros } from "../../../core/units.ts";
import type { Timers } from "../../bus/timers.ts";
import type { Started } from "./all-or-none.ts";
import type { PlacementEnd } from "./contract.ts";
import { LastLines } from "./last-lines.ts";
import { PARENT_STDIN, PARENT_VARIABLE } from "./parent.ts";

export interface ChildOptions {
  readonly timers: Timers;
  /** From SIGTERM to SIGKILL. */
  readonly stopDeadline: Micros;
  readonly cwd?: string | undefined;
  /** What it writes, line by line. */
  readonly output?: ((name: string, line: string) => void) | undefined;
  /** Looks at each line first; what it keeps for itself is neither told nor a last line. */
  readonly own?: ((line: string) => boolean) | undefined;
}

export interface ChildCommand {
  readonly name: string;
  readonly command: readonly string[];
  /** Beside this process's own environment. */
  readonly env: Readonly<Record<string, string>>;
}

export function startChild(wanted: ChildCommand, options: ChildOptions): Started {
  const { name, env } = wanted;
  const [program = "", ...args] = wanted.command;
  const child = spawn(program, args, {
    cwd: options.cwd,
    env: { ...process.env, ...env, [PARENT_VARIABLE]: PARENT_STDIN },
    stdio: ["pipe", "pipe", "pipe"],
    // A group of its own: Ctrl-C is for the coordinator, and SIGKILL takes all that the child started.
    detached: process.platform !== "win32",
  });
  // The pipe is there to be closed by our end; that the child ends first is no error.
  child.stdin.on("error", () => {});
  const last = new LastLines();
  for (const stream of [child.stdout, child.stderr]) {
    readLines(stream, (line) => {
      if (options.own?.(line)) return;
      last.add(`${line}\n`);
      options.output?.(name, line);
    });
  }
  const ended = endOf(child, last, options.timers);
  return {
    placement: {
      name,
      where: child.pid === undefined ? "never started" : `process ${child.pid}`,
      ended,
    },
    running: running(child, wanted),
    cancel: () => stop(child, ended, options),
  };
}

function running(child: ChildProcess, { name, command }: ChildCommand): Promise<void> {
  return new Promise((resolve, reject) => {
    child.once("spawn", resolve);
    child.once("error", (cause) =>
      reject(
        new PangaeaError("PLACEMENT_FAILED", `${name} could not be started: ${cause.message}`, {
          fix: `see that ${command[0]} is there and may be run`,
          cause,
        }),
      ),
    );
  });
}

/** What a daemon of the child's own making could hold open is not waited for longer than this. */
const OUTPUT_DEADLINE: Micros = 500 * MILLISECOND;

function endOf(child: ChildProcess, last: LastLines, timers: Timers): Promise<PlacementEnd> {
  return new Promise((resolve) => {
    child.once("error", ({ message }) => resolve({ how: message, lastLines: last.lines() }));
    child.once("exit", (code, signal) => {
      killGroup(child);
      const how = signal === null ? `exit code ${code}` : `signal ${signal}`;
      const tell = (): void => {
        forget();
        resolve({ how, lastLines: last.lines() });
      };
      // `close` comes when all that it wrote has been read.
      const forget = timers.after(OUTPUT_DEADLINE, tell);
      child.once("close", tell);
    });
  });
}

async function stop(
  child: ChildProcess,
  ended: Promise<PlacementEnd>,
  { timers, stopDeadline }: ChildOptions,
): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  child.kill("SIGTERM");
  const forget = timers.after(stopDeadline, () => killGroup(child));
  await ended;
  forget();
}

/** What is left of the child's group. */
function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    if (process.platform === "win32") child.kill("SIGKILL");
    else process.kill(-child.pid, "SIGKILL");
  } catch {
    // Nobody is left.
  }
}

function readLines(stream: Readable, onLine: (line: string) => void): void {
  let rest = "";
  stream.setEncoding("utf8");
  stream.on("data", (text: string) => {
    const lines = (rest + text).split(/\r?\n/);
    rest = lines.pop() ?? "";
    for (const line of lines) onLine(line);
  });
  stream.on("end", () => {
    if (rest !== "") onLine(rest);
  });
}
