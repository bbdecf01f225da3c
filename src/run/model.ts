/** The model of a run with what it needs from files: the ONNX file, what that refers to, starting weights. */

import { readSafetensors } from "../codec/safetensors.ts";
import { shapeOf } from "../core/dataset.ts";
import { InputError, invariant } from "../core/errors.ts";
import { sharedMemory } from "../core/memory.ts";
import type { LoadedData } from "../data/load.ts";
import type { Model } from "../model/onnx/model.ts";
import { readModel } from "../model/onnx/proto/read.ts";
import { isGraph, type ModelSpec, type OnnxSpec } from "../model/spec.ts";
import { isTrained } from "./check-streams.ts";
import { type Files, findFile } from "./find-file.ts";
import type { RunSpec } from "./spec.ts";

export async function loadRunModel(
  spec: RunSpec,
  { train }: LoadedData,
  host: Files,
): Promise<ModelSpec> {
  const { model, seed } = spec;
  invariant(isTrained(model), "models of streams are made by their sites");
  const base = { model, data: shapeOf(train), seed };
  if (model.kind === "matrix-factorisation")
    return train.kind === "ratings" ? { ...base, targetMean: mean(train.ratings) } : base;
  if (!isGraph(model)) return base;
  const values = model.weights === undefined ? undefined : await weightsOf(model.weights, host);
  if (model.kind === "sequential") return { ...base, values };
  return { ...base, values, ...(await modelFile(model, host)) };
}

export async function modelFile(
  { path }: Pick<OnnxSpec, "path">,
  host: Files,
): Promise<Pick<ModelSpec, "file" | "external">> {
  const { file, external } = await readParts(path, host);
  const copies = Object.entries(external).map(([location, bytes]) => [location, shared(bytes)]);
  return { file: shared(file), external: Object.fromEntries(copies) };
}

/** The files of a model as they lie there, by their paths as the experiment would write them. */
export async function modelFiles(
  model: RunSpec["model"],
  host: Files,
): Promise<ReadonlyMap<string, Uint8Array>> {
  const files = new Map<string, Uint8Array>();
  const { path, weights } = { path: undefined, weights: undefined, ...model };
  if (path !== undefined) {
    const { file, external } = await readParts(path, host);
    files.set(path, file);
    for (const [location, bytes] of Object.entries(external))
      files.set(folderOf(path) + location, bytes);
  }
  if (weights !== undefined)
    files.set(weights, await host.readFile(await find(weights, "weights", host)));
  return files;
}

interface Parts {
  readonly file: Uint8Array;
  /** What it refers to, by location. */
  readonly external: Readonly<Record<string, Uint8Array>>;
}

const folderOf = (path: string): string => path.slice(0, path.lastIndexOf("/") + 1);

async function readParts(path: string, host: Files): Promise<Parts> {
  const place = await find(path, "path", host);
  const file = await host.readFile(place);
  const folder = folderOf(place);
  const beside = async (location: string): Promise<Uint8Array | undefined> =>
    (await host.exists(folder + location)) ? host.readFile(folder + location) : undefined;
  try {
    return { file, external: (await readWithExternal(file, path, beside)).external };
  } catch (error) {
    throw located(error);
  }
}

/**
 * Reads a model whose data may lie in other files. The reader asks for one after another; each is read once,
 * and then the model anew. Errors: those of `readModel`.
 */
export async function readWithExternal(
  file: Uint8Array,
  name: string,
  beside: (location: string) => Promise<Uint8Array | undefined>,
): Promise<{ readonly model: Model; readonly external: Readonly<Record<string, Uint8Array>> }> {
  const external: Record<string, Uint8Array> = {};
  for (;;) {
    let wanted: string | undefined;
    const ask = (location: string): Uint8Array | undefined => {
      if (!Object.hasOwn(external, location)) wanted ??= location;
      return Object.hasOwn(external, location) ? external[location] : undefined;
    };
    try {
      return { model: readModel(file, { name, external: ask }), external };
    } catch (error) {
      const bytes = wanted === undefined ? undefined : await beside(wanted);
      if (wanted === undefined || bytes === undefined) throw error;
      external[wanted] = bytes;
    }
  }
}

const located = (error: unknown): unknown =>
  error instanceof InputError
    ? new InputError(error.issues.map((issue) => ({ ...issue, path: ["model", "path"] })))
    : error;

async function weightsOf(path: string, host: Files): Promise<NonNullable<ModelSpec["values"]>> {
  const bytes = await host.readFile(await find(path, "weights", host));
  const { tensors } = readSafetensors(bytes, { file: path, nonFloat: "skip" });
  return Object.fromEntries(tensors.map(({ name, shape, data }) => [name, { shape, data }]));
}

const find = (path: string, key: string, host: Files): Promise<string> =>
  findFile(path, host, {
    code: "MISSING_MODEL",
    path: ["model", key],
    fix: "paths are looked for beside the run file and where you are",
  });

/** In shared memory, so that compute threads read it without a copy. */
function shared(bytes: Uint8Array): Uint8Array {
  const copy = new Uint8Array(sharedMemory(bytes.length));
  copy.set(bytes);
  return copy;
}

function mean(values: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i] as number;
  return sum / Math.max(1, values.length);
}
