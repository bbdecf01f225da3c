/** Folders of which each holds the records of one site, and what runs on them. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { gunzipSync } from "node:zlib";
import type { RunEvent } from "../../src/core/events.ts";
import { executeRun } from "../../src/run/execute.ts";
import type { RunHost } from "../../src/run/host.ts";
import { RunSpec } from "../../src/run/spec.ts";
import { DATA } from "../data/files.ts";
import type { Executed } from "../sync/real.ts";
import type { Agents } from "./agents.ts";

export const HOSPITALS = ["cleveland", "hungarian", "switzerland", "va"] as const;
export const SITES = HOSPITALS.map((_, site) => `site-${site}`);

/** A file below a folder. */
export function put(folder: string, path: string, content: string | Uint8Array): void {
  mkdirSync(dirname(join(folder, path)), { recursive: true });
  writeFileSync(join(folder, path), content);
}

export interface Folders {
  /** One for each site, with its records alone. */
  readonly sites: readonly string[];
  /** With the test rows alone. */
  readonly test: string;
  /** With all of it. */
  readonly all: string;
  remove(): void;
}

/** Every fifth patient of a hospital is a test. */
export function hospitals(): Folders {
  const patients = HOSPITALS.map((name) =>
    readFileSync(`${DATA}/heart-disease/processed.${name}.data`, "utf8").trim().split("\n"),
  );
  const rows = (held: boolean) =>
    patients.map((lines) => lines.filter((_, row) => (row % 5 === 4) === held));
  return foldersOf(
    rows(false).map((lines, site) => ({ [`hospitals/${SITES[site]}.csv`]: lines.join("\n") })),
    { "hospitals/test.csv": rows(true).flat().join("\n") },
  );
}

/** Rows of MNIST, dealt in turn: [images, labels] as IDX files. */
function idx(part: "train" | "t10k", chosen: (row: number) => boolean, rows: number): Contents {
  const read = (name: string) => gunzipSync(readFileSync(`${DATA}/mnist/${part}-${name}.gz`));
  const [images, labels] = [read("images-idx3-ubyte"), read("labels-idx1-ubyte")];
  const taken = Array.from({ length: rows }, (_, row) => row).filter(chosen);
  const file = (head: readonly number[], bytes: Buffer, width: number): Uint8Array => {
    const numbers = Buffer.alloc(4 * head.length);
    for (const [at, number] of head.entries()) numbers.writeUInt32BE(number, 4 * at);
    const start = numbers.length;
    const parts = taken.map((row) =>
      bytes.subarray(start + row * width, start + (row + 1) * width),
    );
    return Buffer.concat([numbers, ...parts]);
  };
  return {
    [`${part}-images-idx3-ubyte`]: file([0x803, taken.length, 28, 28], images, 28 * 28),
    [`${part}-labels-idx1-ubyte`]: file([0x801, taken.length], labels, 1),
  };
}

const below = (folder: string, contents: Contents): Contents =>
  Object.fromEntries(Object.entries(contents).map(([name, bytes]) => [`${folder}/${name}`, bytes]));

/** 600 digits, of which each site has its own. */
export const digits = (sites: number): Folders =>
  foldersOf(
    Array.from({ length: sites }, (_, site) =>
      below(
        `digits/site-${site}`,
        idx("train", (row) => row % sites === site, 600),
      ),
    ),
    below(
      "digits/test",
      idx("t10k", () => true, 200),
    ),
  );

export const digitsRun = (more: Record<string, unknown> = {}): RunSpec =>
  heart({
    data: { kind: "idx", path: "digits/{site}", testPath: "digits/test", standardise: true },
    model: { kind: "sequential", layers: ["flatten", { dense: 10 }] },
    sites: { count: 2, workers: 2, bandwidthMbps: 200, rttMs: 4 },
    ...more,
  });

type Contents = Readonly<Record<string, string | Uint8Array>>;

export function foldersOf(own: readonly Contents[], judged: Contents): Folders {
  const base = mkdtempSync(join(tmpdir(), "own-data-"));
  const fill = (folder: string, contents: Contents): string => {
    for (const [path, content] of Object.entries(contents)) put(folder, path, content);
    return folder;
  };
  const all = join(base, "all");
  for (const contents of [...own, judged]) fill(all, contents);
  return {
    sites: own.map((contents, site) => fill(join(base, `site-${site}`), contents)),
    test: fill(join(base, "test"), judged),
    all,
    remove: () => rmSync(base, { recursive: true, force: true }),
  };
}

export const HEART = {
  kind: "csv",
  path: "hospitals/{site}.csv",
  testPath: "hospitals/test.csv",
  schema: {
    names: "age sex cp trestbps chol fbs restecg thalach exang oldpeak slope ca thal num".split(
      " ",
    ),
    columns: {
      ...{ cp: "categorical", restecg: "categorical", slope: "categorical" },
      ...{ thal: "categorical", num: "label" },
    },
    others: "numeric",
    label: { as: "above", threshold: 0 },
  },
};

export const heart = (more: Record<string, unknown> = {}): RunSpec =>
  RunSpec.parse({
    version: 1,
    name: "hospitals",
    data: HEART,
    model: { kind: "sequential", layers: [{ dense: 8 }, "relu", { dense: 2 }] },
    optimizer: { kind: "sgd", learningRate: 0.1 },
    batch: 16,
    sites: { count: 4, workers: 1, bandwidthMbps: 200, rttMs: 4 },
    between: { kind: "gaia", staleness: 0 },
    stop: { maxClocks: 12 },
    evaluate: { every: 4 },
    ...more,
  });

/** The files below a folder, and no others. */
export const runHostOn = (
  folder: string,
  events: RunEvent[],
  more: Partial<RunHost> = {},
): RunHost => ({
  ...{ roots: [folder], threads: 0, signal: new AbortController().signal },
  exists: async (path) => existsSync(path),
  readFile: async (path) => readFileSync(path),
  onEvent: (event) => events.push(event),
  ...more,
});

export async function executeOn(
  folder: string,
  spec: RunSpec,
  more: Partial<RunHost> = {},
): Promise<Executed> {
  const events: RunEvent[] = [];
  return { events, outcome: await executeRun(spec, runHostOn(folder, events, more)) };
}

/** An agent for each site, with the folder of its own. The answer ends them. */
export async function agentsAt(
  there: Agents,
  folders: readonly string[],
): Promise<() => Promise<void>> {
  const stops: (() => Promise<void>)[] = [];
  for (const [site, folder] of folders.entries())
    stops.push(await there.start(`site-${site}`, { means: { roots: [folder], threads: 0 } }));
  return async () => {
    for (const stop of stops) await stop();
  };
}
