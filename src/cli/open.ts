/** From the name of an experiment file to its data: YAML and JSON are read, modules imported. */
import { readFile } from "node:fs/promises";
import { extname, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { InputError } from "../core/errors.ts";
import { moduleSource, readSource, type Source } from "../run/file/source.ts";
import { isFileError } from "./exit.ts";

const MODULES = [".ts", ".mts", ".js", ".mjs"];

/** @throws InputError where the file is absent, of an unknown type, or not readable as what it says it is. */
export async function openExperiment(file: string, cwd: string): Promise<Source> {
  const path = resolve(cwd, file);
  const type = extname(path).toLowerCase();
  if (MODULES.includes(type)) return moduleSource(await importDefault(path, file), file);
  if (type !== ".yaml" && type !== ".yml" && type !== ".json") {
    const message = `a file of type ${type === "" ? "unknown" : type} is no experiment`;
    throw new InputError([
      { code: "BAD_FILE", file, message, fix: "use .yaml, .json, .ts or .js" },
    ]);
  }
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    throw absent(error, file);
  }
  return readSource(text, file, type === ".json" ? "json" : "yaml");
}

function absent(error: unknown, file: string): unknown {
  if (!isFileError(error)) return error;
  const what = error.code === "ENOENT" ? "there is no such file" : error.message;
  const fix = "give the path of an experiment; those that come with Pangaea are in examples/";
  return new InputError([{ code: "MISSING_FILE", file, message: what, fix }]);
}

async function importDefault(path: string, file: string): Promise<unknown> {
  try {
    const module = (await import(pathToFileURL(path).href)) as { readonly default?: unknown };
    return module.default;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === "ERR_UNKNOWN_FILE_EXTENSION") {
      const why = `Node ${process.versions.node} does not read TypeScript`;
      const fix = "use Node 22.18 or newer, or run it through tsx: npx tsx $(which pangaea) run …";
      throw new InputError([{ code: "TYPESCRIPT_UNREADABLE", file, message: why, fix }]);
    }
    if (code === "ERR_MODULE_NOT_FOUND" && message.includes(path)) {
      throw absent(Object.assign(new Error(message), { code: "ENOENT", syscall: "open" }), file);
    }
    const fix = "the module must load by itself: try node on it";
    throw new InputError([{ code: "BAD_FILE", file, message: `it fails: ${message}`, fix }]);
  }
}
