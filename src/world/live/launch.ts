/**
 * Starts a host as a worker thread or a child process, and watches it: every end is seen, with its exit code or
 * signal and the last lines that it wrote. A child process notices that its parent is gone by its channel, however
 * the parent went (entry.ts).
 */
import { type ChildProcess, fork } from "node:child_process";
import type { Readable } from "node:stream";
import { Worker } from "node:worker_threads";
import type { HostEnd, RunningHost } from "./fleet.ts";
import type { FromHost, HostKind, HostSetup, ToHost } from "./protocol.ts";

/** From source (tests, tsx) the compiled host is used: workers do not inherit a TypeScript loader. */
const ENTRY = import.meta.url.endsWith(".ts")
  ? new URL("../../../dist/world/live/entry.js", import.meta.url)
  : new URL("./entry.js", import.meta.url);

/** Of what a host wrote, so much is told when it dies. */
const LAST_LINES = 8;

export const launch = (
  kind: HostKind,
  setup: HostSetup,
  onMessage: (message: FromHost) => void,
): RunningHost =>
  kind === "threads" ? launchThread(setup, onMessage) : launchProcess(setup, onMessage);

function launchThread(setup: HostSetup, onMessage: (message: FromHost) => void): RunningHost {
  const worker = new Worker(ENTRY, {
    workerData: setup,
    transferList: setup.meeting.kind === "channels" ? [...setup.meeting.ports.values()] : [],
    execArgv: [],
    stdout: true,
    stderr: true,
    name: nameOf(setup),
  });
  const lines = lastLines([worker.stdout, worker.stderr]);
  let thrown: string | undefined;
  worker.on("message", onMessage);
  worker.on("error", (error) => {
    thrown = error.message;
  });
  const ended = new Promise<HostEnd>((resolve) => {
    worker.on("exit", (code) =>
      resolve({ how: thrown ?? `exit code ${code}`, lastLines: lines() }),
    );
  });
  return {
    name: nameOf(setup),
    pid: undefined,
    post: (message) => worker.postMessage(message),
    ended,
    kill: () => {
      worker.terminate().catch(() => {});
    },
  };
}

function launchProcess(setup: HostSetup, onMessage: (message: FromHost) => void): RunningHost {
  const child = fork(ENTRY, [], {
    execArgv: [],
    serialization: "advanced",
    stdio: ["ignore", "pipe", "pipe", "ipc"],
  });
  const lines = lastLines([child.stdout, child.stderr]);
  child.on("message", (message) => onMessage(message as FromHost));
  const ended = endOf(child, lines);
  const post = (message: ToHost | HostSetup): void => {
    if (child.connected) child.send(message, () => {});
  };
  post(setup);
  return {
    name: nameOf(setup),
    pid: child.pid,
    post,
    ended,
    kill: () => {
      child.kill("SIGKILL");
    },
  };
}

function endOf(child: ChildProcess, lines: () => readonly string[]): Promise<HostEnd> {
  return new Promise((resolve) => {
    child.on("error", (error) => resolve({ how: error.message, lastLines: lines() }));
    // `close` comes after `exit`, when all that it wrote has been read.
    child.on("close", (code, signal) => {
      const how = signal === null ? `exit code ${code}` : `signal ${signal}`;
      resolve({ how, lastLines: lines() });
    });
  });
}

const nameOf = ({ names, host }: HostSetup): string => names[host] ?? `host ${host}`;

/** Keeps the last lines of some streams. */
function lastLines(streams: readonly (Readable | null)[]): () => readonly string[] {
  let kept = "";
  for (const stream of streams) {
    stream?.setEncoding("utf8");
    stream?.on("data", (text: string) => {
      kept = (kept + text).slice(-4096);
    });
  }
  return () =>
    kept
      .split("\n")
      .filter((line) => line.trim() !== "")
      .slice(-LAST_LINES);
}
