/** `pangaea run` and `pangaea compare`. */
import { CancelledError, InputError } from "../../core/errors.ts";
import type { ResolvedRun } from "../../run/load.ts";
import { resolveEntries, resolveRun } from "../../run/load.ts";
import { type Change, parseSetting } from "../../run/merge.ts";
import type { Matrix } from "../../run/rowlist.ts";
import { clusterAccess } from "../cluster.ts";
import type { Engine } from "../engine.ts";
import { EXIT } from "../exit.ts";
import { dataRoots } from "../folders.ts";
import type { Io } from "../io.ts";
import { openExperiment } from "../open.ts";
import type { CommonOptions, RunOptions } from "../options.ts";
import { runSession, type SessionResult } from "../session.ts";
import { wrapped } from "../terminal/columns.ts";
import { paint } from "../terminal/paint.ts";
import { summaryLines } from "../terminal/summary.ts";

export interface CompareOptions extends RunOptions {
  readonly between?: readonly string[] | undefined;
  readonly within?: readonly string[] | undefined;
  readonly seeds?: number | undefined;
}

/** Flags as changes; all that are wrong are told at once. */
function changesOf(options: RunOptions): Change[] {
  return [...settings(options), ...worldOf(options)];
}

/** `--hosts` is a setting of the local world, `--nats` of the cluster: alone they ask for that world. */
function worldOf({ world, hosts, nats, domain, on, image }: RunOptions): Change[] {
  const flags = [
    world && `--world ${world}`,
    hosts && `--hosts ${hosts}`,
    nats && `--nats ${nats.join(",")}`,
    domain && `--domain ${domain}`,
    on && `--on ${on}`,
    image && `--image ${image}`,
  ].filter(Boolean);
  if (flags.length === 0) return [];
  const remote = [nats, domain, on, image].some((flag) => flag !== undefined);
  const kind = world ?? (hosts === undefined ? "cluster" : "local");
  const place = () => ({ file: flags.join(" ") });
  if ((hosts !== undefined && kind !== "local") || (remote && kind !== "cluster")) {
    const message = `the ${kind} world has no such setting`;
    const fix =
      "--hosts goes with --world local; --nats, --domain, --on and --image with --world cluster";
    throw new InputError([{ code: "IMPOSSIBLE_PAIR", message, ...place(), fix }]);
  }
  // An object leaves the file's other settings of that world as they are.
  const given = {
    ...(hosts && { hosts }),
    ...(nats && { nats }),
    ...(domain && { domain }),
    ...((on || image) && { place: { kind: on ?? "kubernetes", ...(image && { image }) } }),
  };
  const value = kind === "simulated" ? kind : { kind, ...given };
  return [{ data: { world: value }, place }];
}

function settings(options: RunOptions): Change[] {
  const changes = (options.set ?? []).map((text) => parseSetting(text));
  if (options.seed !== undefined) {
    const flag = `--seed ${options.seed}`;
    changes.push({ data: { seed: options.seed }, place: () => ({ file: flag }) });
  }
  return changes;
}

export async function runCommand(
  file: string,
  options: RunOptions,
  io: Io,
  loadEngine: () => Promise<Engine>,
): Promise<number> {
  const source = await openExperiment(file, io.cwd);
  const run = resolveRun(source, { changes: changesOf(options) });
  const session = { name: run.name, entries: [run], compare: false, seeds: [] };
  return execute(file, options, io, loadEngine, session);
}

/** @throws InputError for a file or flags that are wrong. */
export async function compareCommand(
  file: string,
  options: CompareOptions,
  io: Io,
  loadEngine: () => Promise<Engine>,
): Promise<number> {
  const source = await openExperiment(file, io.cwd);
  const matrix: Matrix = { between: options.between, within: options.within };
  const entries = resolveEntries(source, { changes: changesOf(options), matrix });
  const { name, seed } = entries[0]!.spec;
  const count = options.seeds ?? 1;
  const seeds = count > 1 ? Array.from({ length: count }, (_, i) => seed + i) : [];
  return execute(file, options, io, loadEngine, { name, entries, compare: true, seeds });
}

async function execute(
  file: string,
  options: RunOptions,
  io: Io,
  loadEngine: () => Promise<Engine>,
  what: {
    readonly name: string;
    readonly entries: readonly ResolvedRun[];
    readonly compare: boolean;
    readonly seeds: readonly number[];
  },
): Promise<number> {
  const result = await runSession(io, await loadEngine(), {
    ...what,
    roots: dataRoots(io, file, options.data),
    threads: options.threads,
    out: options.out,
    quiet: options.json === true,
    cluster: clusterAccess(options, "coordinator", io),
  });
  return conclude(result, options, io);
}

/** Tells how a session ended. @returns the exit code. @throws what ended it early */
export function conclude(result: SessionResult, { json }: CommonOptions, io: Io): number {
  if (result.interrupted && result.failure instanceof CancelledError) return EXIT.interrupted;
  if (result.failure !== undefined) {
    if (result.rows.length > 0) io.err(`what there is: ${result.out}\n`);
    throw result.failure as InputError | Error;
  }
  if (json) io.out(`${JSON.stringify(resultData(result))}\n`);
  else print(result, io);
  return result.interrupted ? EXIT.interrupted : EXIT.done;
}

const resultData = ({ target, rows, conclusion, out }: SessionResult) => ({
  target,
  rows,
  conclusion,
  out,
});

function print(result: SessionResult, io: Io): void {
  const color = paint(io.color);
  const lines = summaryLines(result.rows, io.columns(), color);
  io.out(`\n${lines.join("\n")}\n`);
  if (result.conclusion !== "")
    io.out(`\n${wrapped(result.conclusion, Math.min(100, io.columns()))}\n`);
  io.out(`\nreport  ${result.out}/report.html\n`);
}
