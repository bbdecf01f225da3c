/** `pangaea model`: what a model is made of, what of it would be trained, what a step costs. */
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { InputError } from "../../core/errors.ts";
import { chooseTrained, statesOf } from "../../model/chosen-tensors.ts";
import { trainableOf } from "../../model/create.ts";
import type { Model } from "../../model/onnx/model.ts";
import { summarise } from "../../model/summary.ts";
import { formatSummary } from "../../model/summary-text.ts";
import { loadRunData } from "../../run/data.ts";
import { resolveRun } from "../../run/load.ts";
import { loadRunModel, readWithExternal } from "../../run/model.ts";
import { EXIT } from "../exit.ts";
import { dataRoots } from "../folders.ts";
import type { Io } from "../io.ts";
import { openExperiment } from "../open.ts";
import type { CommonOptions } from "../options.ts";

export interface ModelCommandOptions extends CommonOptions {
  readonly batch: number;
  readonly data?: string | undefined;
  readonly tensors?: boolean | undefined;
}

interface Shown {
  readonly model: Model;
  readonly trained: ReadonlySet<string>;
}

/** @throws InputError for a file that is wrong or a model that cannot be trained. */
export async function modelCommand(
  file: string,
  options: ModelCommandOptions,
  io: Io,
): Promise<number> {
  const { model, trained } = file.endsWith(".onnx")
    ? await fromFile(file, io)
    : await fromExperiment(file, options, io);
  const summary = summarise(model, { trained, batch: options.batch });
  const states = new Set(statesOf(model, trained).map(({ name }) => name));
  const tensors = model.initializers
    .filter(({ type }) => type === "float32")
    .map(({ name, shape }) => ({
      name,
      shape,
      use: trained.has(name) ? "trained" : states.has(name) ? "state" : "frozen",
    }));
  if (options.json) {
    io.out(`${JSON.stringify({ ...summary, tensors })}\n`);
    return EXIT.done;
  }
  io.out(`${formatSummary(summary)}\n`);
  if (options.tensors) {
    const width = Math.max(...tensors.map(({ name }) => name.length));
    const lines = tensors.map(
      ({ name, shape, use }) => `${use.padEnd(7)}  ${name.padEnd(width)}  [${shape.join(", ")}]`,
    );
    io.out(`\n${lines.join("\n")}\n`);
  }
  return EXIT.done;
}

async function fromFile(file: string, io: Io): Promise<Shown> {
  const path = resolve(io.cwd, file);
  if (!existsSync(path))
    throw new InputError([{ code: "MISSING_MODEL", file, message: "there is no such file" }]);
  const beside = async (location: string): Promise<Uint8Array | undefined> => {
    const other = join(dirname(path), location);
    return existsSync(other) ? readFile(other) : undefined;
  };
  const { model } = await readWithExternal(await readFile(path), file, beside);
  return { model, trained: new Set(everything(model)) };
}

const everything = (model: Model): string[] =>
  chooseTrained({
    model,
    starts: new Map(),
    outputs: model.outputs.map(({ name }) => name),
    patterns: undefined,
    place: ["train"],
  });

async function fromExperiment(file: string, options: ModelCommandOptions, io: Io): Promise<Shown> {
  const { spec } = resolveRun(await openExperiment(file, io.cwd));
  const host = {
    roots: dataRoots(io, file, options.data),
    exists: async (path: string) => existsSync(path),
    readFile: (path: string) => readFile(path),
  };
  const data = await loadRunData(spec, host, new Map());
  const { kind } = spec.model;
  if (kind !== "sequential" && kind !== "onnx")
    throw new InputError([
      { code: "MODEL_DATA", file, path: ["model"], message: `a ${kind} model is no graph` },
    ]);
  const trainable = trainableOf(await loadRunModel(spec, data, host));
  return {
    model: trainable.model,
    trained: new Set(trainable.trained.map(({ name }) => name)),
  };
}
