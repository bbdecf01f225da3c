/** A process and an engine that stand still, for tests of the command line. */
import type { Engine } from "../../src/cli/engine.ts";
import type { Io } from "../../src/cli/io.ts";
import { siteId } from "../../src/core/ids.ts";
import { createLayout } from "../../src/model/layout.ts";
import type { RunHost, RunOutcome } from "../../src/run/host.ts";
import type { RunSpec } from "../../src/run/spec.ts";
import { type FakeOptions, fakeRun } from "../run/report-fake.ts";

export interface FakeIo extends Io {
  readonly stdout: () => string;
  readonly stderr: () => string;
  readonly interrupt: () => void;
}

export function fakeIo(cwd: string, more: Partial<Io> = {}): FakeIo {
  let stdout = "";
  let stderr = "";
  const handlers = new Set<() => void>();
  let time = 0;
  return {
    out: (text) => {
      stdout += text;
    },
    err: (text) => {
      stderr += text;
    },
    terminal: false,
    columns: () => 80,
    rows: () => 24,
    color: false,
    env: { XDG_CACHE_HOME: `${cwd}/.cache` },
    cwd,
    now: () => (time += 400),
    onInterrupt: (handler) => {
      handlers.add(handler);
      return () => {
        handlers.delete(handler);
      };
    },
    onForced: () => () => {},
    stdout: () => stdout,
    stderr: () => stderr,
    interrupt: () => {
      for (const handler of handlers) handler();
    },
    ...more,
  };
}

const LAYOUT = createLayout([
  { name: "w", shape: [2, 2] },
  { name: "b", shape: [2] },
]);

/** Plays made-up events; fails or interrupts where the test says so. */
export function fakeEngine(
  options: FakeOptions & {
    readonly before?: (name: string, spec: RunSpec) => void;
  } = {},
): () => Promise<Engine> {
  const executeRun = async (spec: RunSpec, host: RunHost): Promise<RunOutcome> => {
    options.before?.(spec.name, spec);
    const fakes = { sites: ["east", "west"], clocks: 40, ...options };
    for (const event of fakeRun(spec, fakes)) {
      if (host.signal.aborted && event.type !== "end") continue;
      host.onEvent(
        host.signal.aborted && event.type === "end" ? { ...event, reason: "interrupted" } : event,
      );
    }
    const parameters = new Float32Array([1, 2, 3, 4, 5, 6]);
    return {
      spec,
      reason: host.signal.aborted ? "interrupted" : "maxClocks",
      layout: LAYOUT,
      graph: undefined,
      models: [{ site: siteId("east"), parameters }],
      global: { parameters, origin: "mean of the sites' copies" },
    };
  };
  const executeCompare: Engine["executeCompare"] = async (entries, hostOf) => {
    const runs = [];
    for (const { name, spec } of entries) {
      const host = hostOf(name);
      if (host.signal.aborted) break;
      runs.push({ name, spec, outcome: await executeRun(spec, host) });
    }
    return runs;
  };
  return async () => ({ executeRun, executeCompare });
}
