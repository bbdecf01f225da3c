/**
 * One run or a comparison from start to report: events go to the log, the view and the display; at the end,
 * or after Ctrl-C, or after a failure, what there is becomes spec.json, models and report.html.
 */
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { InputError } from "../core/errors.ts";
import type { RunEvent } from "../core/events.ts";
import { conclusion, placeText } from "../run/conclusion.ts";
import { FailedRun } from "../run/failed.ts";
import { modelFiles, specFile } from "../run/files.ts";
import type { RunHost } from "../run/host.ts";
import type { ResolvedRun } from "../run/load.ts";
import { reportPage } from "../run/report/page.ts";
import { type CompareRow, compareRow, mergeSeeds, targetOf } from "../run/rows.ts";
import { applyEvent, emptyView, type RunView, type Target } from "../run/view.ts";
import type { ClusterAccess } from "../world/cluster/access.ts";
import type { Engine } from "./engine.ts";
import { claimFolder, EventLog, folderName, writeWhole } from "./folders.ts";
import type { Io } from "./io.ts";
import { wrapped } from "./terminal/columns.ts";
import { createDisplay, type Display } from "./terminal/display.ts";

export interface SessionOptions {
  readonly name: string;
  /** Rows, in order; a single run is one row. */
  readonly entries: readonly ResolvedRun[];
  readonly compare: boolean;
  /** Seeds to run every row with; empty: the seed of the file. */
  readonly seeds: readonly number[];
  readonly roots: readonly string[];
  readonly threads: number;
  readonly out: string | undefined;
  readonly quiet: boolean;
  /** Keys and certificates of the cluster world. */
  readonly cluster?: ClusterAccess | undefined;
}

export interface SessionResult {
  readonly target: Target;
  readonly rows: readonly CompareRow[];
  readonly conclusion: string;
  /** The folder, as the user would name it. */
  readonly out: string;
  readonly interrupted: boolean;
  /** What ended the session early, after everything there is was written. */
  readonly failure: unknown;
}

/** One execution: a row with one seed. */
interface Execution {
  readonly run: ResolvedRun;
  readonly folder: string;
  readonly title: string;
  readonly view: RunView;
  /** From the first event to the last. */
  log: EventLog | undefined;
}

export async function runSession(
  io: Io,
  engine: Engine,
  options: SessionOptions,
): Promise<SessionResult> {
  const out = claimFolder(io, options.out, options.name);
  if (options.out !== undefined && out !== options.out) {
    io.err(`${options.out} is not empty: writing to ${out} instead\n`);
  }
  const display = await createDisplay(io, options.quiet);
  const session = new Session(io, options, out, display);
  const failure = await session.execute(engine).then(
    () => undefined,
    (error: unknown) => ({ error }),
  );
  display.close();
  return session.finish(failure && session.located(failure.error));
}

class Session {
  readonly #io: Io;
  readonly #options: SessionOptions;
  readonly #out: string;
  readonly #display: Display;
  readonly #controller = new AbortController();
  readonly #executions: Execution[] = [];
  /** What was said already; the rows of a comparison have much in common. */
  readonly #said = new Set<string>();

  constructor(io: Io, options: SessionOptions, out: string, display: Display) {
    this.#io = io;
    this.#options = options;
    this.#out = out;
    this.#display = display;
  }

  async execute(engine: Engine): Promise<void> {
    const release = this.#io.onInterrupt(() => {
      if (this.#controller.signal.aborted) return;
      this.#display.say("ending with what there is; Ctrl-C again forces");
      this.#controller.abort();
    });
    try {
      if (!this.#options.compare) await this.#single(engine);
      else await this.#comparison(engine);
    } finally {
      release();
      for (const { log } of this.#executions) log?.close();
    }
  }

  async #single(engine: Engine): Promise<void> {
    const run = this.#options.entries[0]!;
    const execution = this.#begin(run, "", run.name);
    try {
      this.#save(execution, await engine.executeRun(run.spec, this.#host(execution)));
    } catch (error) {
      // What a failed run has left is worth keeping.
      if (error instanceof FailedRun) this.#save(execution, error.outcome);
      throw error;
    }
  }

  async #comparison(engine: Engine): Promise<void> {
    const { entries, seeds } = this.#options;
    for (const seed of seeds.length > 0 ? seeds : [undefined]) {
      const runs = entries.map((entry) => (seed === undefined ? entry : seeded(entry, seed)));
      const host = (name: string): RunHost => {
        const index = runs.findIndex((run) => run.name === name);
        const several = seed === undefined ? "" : `, seed ${seed}`;
        const under = seed === undefined ? "" : `seed-${seed}`;
        const title = `${name} (${index + 1} of ${runs.length}${several})`;
        const folder = join(folderName(name), under);
        return this.#host(this.#begin(runs[index]!, folder, title));
      };
      for (const { name, outcome } of await engine.executeCompare(runs, host)) {
        const done = this.#executions.findLast((execution) => execution.run.name === name);
        if (done) this.#save(done, outcome);
      }
      if (this.#controller.signal.aborted) return;
    }
  }

  #path(folder: string): string {
    return resolve(this.#io.cwd, this.#out, folder);
  }

  #begin(run: ResolvedRun, folder: string, title: string): Execution {
    const view = emptyView();
    const execution = { run, folder, title, view, log: undefined };
    this.#executions.push(execution);
    return execution;
  }

  #started(execution: Execution): void {
    const path = this.#path(execution.folder);
    execution.log = new EventLog(path);
    writeWhole(path, specFile(execution.run));
    this.#display.begin(execution.title, execution.view);
  }

  #host(execution: Execution): RunHost {
    const { view, run } = execution;
    return {
      roots: this.#options.roots,
      exists: async (path) => existsSync(path),
      readFile: (path) => readFile(path),
      threads: this.#options.threads,
      cluster: this.#options.cluster,
      signal: this.#controller.signal,
      onForced: this.#io.onForced,
      warn: (text) => this.#say(text),
      onEvent: (event: RunEvent) => {
        if (event.type === "run") this.#started(execution);
        execution.log?.write(event);
        applyEvent(view, event);
        if (event.type === "note") this.#say(event.text);
        if (event.type === "end") {
          execution.log?.close();
          execution.log = undefined;
          this.#display.ended(compareRow(view, run.spec, run.name));
        } else this.#display.changed();
      },
    };
  }

  #say(text: string): void {
    if (this.#said.has(text)) return;
    this.#said.add(text);
    this.#display.say(wrapped(text, Math.min(100, this.#io.columns() - 1)));
  }

  #save({ run, folder, view }: Execution, outcome: Parameters<typeof modelFiles>[1]): void {
    for (const file of modelFiles(run.name, outcome, view)) writeWhole(this.#path(folder), file);
  }

  /** Issues of the run itself, with their places in the file. */
  located(error: unknown): unknown {
    const run = this.#executions.at(-1)?.run;
    if (!(error instanceof InputError) || !run) return error;
    return new InputError(error.issues.map(run.locate));
  }

  /** The rows and the report of whatever has begun. */
  finish(failure: unknown): SessionResult {
    const { name, entries, compare } = this.#options;
    const begun = this.#executions.filter(({ view }) => view.name !== "");
    const target = targetOf(entries[0]!.spec);
    const grouped = entries.flatMap((entry) => {
      const own = begun.filter(({ run }) => run.name === entry.name);
      return own.length > 0 ? [own] : [];
    });
    const rows = grouped.map((own) =>
      mergeSeeds(own.map(({ view, run }) => compareRow(view, run.spec, run.name))),
    );
    const sites = begun[0]?.view.sites.size ?? 0;
    const text = conclusion(rows, target, placeText(sites, entries[0]?.spec.sites.preset));
    const interrupted = this.#controller.signal.aborted;
    if (begun.length > 0) {
      const runs = grouped.map((own) => ({
        row: compareRow(own[0]!.view, own[0]!.run.spec, own[0]!.run.name),
        view: own[0]!.view,
        origins: own[0]!.run.origins,
      }));
      const report = { title: name, conclusion: text, target, runs, rows };
      const folder = this.#path("");
      writeWhole(folder, { path: "report.html", content: reportPage(report) });
      if (compare) {
        const folders = grouped.map((own) => own.map((execution) => execution.folder));
        const data = { name, target, conclusion: text, rows, folders };
        writeWhole(folder, { path: "rows.json", content: `${JSON.stringify(data, null, 2)}\n` });
      }
    }
    return { target, rows, conclusion: text, out: this.#out, interrupted, failure };
  }
}

const seeded = (run: ResolvedRun, seed: number): ResolvedRun => ({
  ...run,
  spec: { ...run.spec, seed },
  origins: { ...run.origins, seed: "--seeds" },
});
