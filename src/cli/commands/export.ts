/** `pangaea export`: a run's model as a file that other programs read. */
import { existsSync, readdirSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { writeNpz } from "../../codec/npz.ts";
import { readSafetensors, type Safetensors, writeSafetensors } from "../../codec/safetensors.ts";
import { InputError, PangaeaError } from "../../core/errors.ts";
import { inferenceModel } from "../../model/onnx/inference.ts";
import { readModel } from "../../model/onnx/proto/read.ts";
import { writeModelFile } from "../../model/onnx/proto/write.ts";
import { EXIT } from "../exit.ts";
import { writeWhole } from "../folders.ts";
import type { Io } from "../io.ts";
import type { CommonOptions, EXPORT_FORMATS } from "../options.ts";

export interface ExportOptions extends CommonOptions {
  readonly format: (typeof EXPORT_FORMATS)[number];
  readonly site?: string | undefined;
  readonly out?: string | undefined;
}

/** @throws InputError, PangaeaError MISSING_RUN, EXPORT_NO_GRAPH. */
export async function exportCommand(
  folder: string,
  options: ExportOptions,
  io: Io,
): Promise<number> {
  const { format, site } = options;
  const run = resolve(io.cwd, folder);
  const weights = await trainedWeights(run, folder, site);
  const content = await contentOf(format, run, weights);
  const stem = site === undefined ? "model" : site;
  const out = options.out ?? join(folder, `${stem}.${format}`);
  const path = resolve(io.cwd, out);
  if (options.out !== undefined && existsSync(path))
    throw new PangaeaError("EXPORT_EXISTS", `${out} is already there`, {
      fix: "name another file with --out",
    });
  writeWhole(dirname(path), { path: path.slice(dirname(path).length + 1), content });
  const origin = weights.metadata.get("origin") ?? "";
  if (options.json) {
    io.out(`${JSON.stringify({ out, format, origin, tensors: weights.tensors.length })}\n`);
  } else {
    const numbers = weights.tensors.reduce((sum, { data }) => sum + data.length, 0);
    io.out(
      `${out}  ${weights.tensors.length} tensors, ${numbers} numbers, ${content.length} bytes (${origin})\n`,
    );
  }
  return EXIT.done;
}

async function trainedWeights(
  run: string,
  folder: string,
  site: string | undefined,
): Promise<Safetensors> {
  const file = site === undefined ? "model.safetensors" : join("models", `${site}.safetensors`);
  const path = join(run, file);
  if (existsSync(path)) return readSafetensors(await readFile(path), { file, nonFinite: "allow" });
  const sites = listed(join(run, "models"), ".safetensors");
  const [tailored] = listed(join(run, "models"), ".tailored");
  if (tailored !== undefined)
    throw new PangaeaError("EXPORT_NO_GRAPH", "the models of a run on streams are no graphs", {
      fix: `take them as they are: ${join(folder, "models", `${tailored}.tailored`)} and its like`,
    });
  const rows = listed(run, "").filter((row) => existsSync(join(run, row, "events.ndjson")));
  if (site !== undefined && sites.length > 0)
    throw new InputError([
      {
        code: "EXPORT_SITE",
        message: `the run has no model of a site ${site}`,
        fix: `sites: ${sites.join(", ")}`,
      },
    ]);
  if (sites.length > 0)
    throw new InputError([
      {
        code: "EXPORT_SITE",
        message: "every site of this run has a model of its own, and there is none for all",
        fix: `--site ${sites[0]} (sites: ${sites.join(", ")})`,
      },
    ]);
  throw new PangaeaError("MISSING_RUN", `${folder} holds no trained model`, {
    fix:
      rows.length > 0
        ? `it is a comparison: name one of its rows, such as ${join(folder, rows[0] as string)}`
        : "name the folder of a run that has ended, such as runs/<name>-1",
  });
}

const listed = (folder: string, suffix: string): string[] =>
  existsSync(folder)
    ? readdirSync(folder)
        .filter((name) => name.endsWith(suffix))
        .map((name) => name.slice(0, name.length - suffix.length))
        .sort()
    : [];

async function contentOf(
  format: ExportOptions["format"],
  run: string,
  { tensors, metadata }: Safetensors,
): Promise<Uint8Array> {
  if (format === "npz") return writeNpz(tensors);
  if (format === "safetensors") return writeSafetensors(tensors, Object.fromEntries(metadata));
  const template = join(run, "model.onnx");
  if (!existsSync(template))
    throw new PangaeaError("EXPORT_NO_GRAPH", "this run's model is no graph", {
      fix: "matrix factorisation has no ONNX form: use --format safetensors or npz",
    });
  const model = readModel(await readFile(template), { name: "model.onnx" });
  const values = new Map(tensors.map(({ name, data }) => [name, data]));
  return writeModelFile(
    inferenceModel(model, values, { "pangaea.weights": metadata.get("origin") ?? "" }),
  );
}
