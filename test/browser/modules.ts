/**
 * This package's modules as browsers load them without a bundler. Import maps hold for pages and not for their
 * workers, so names of packages are replaced by addresses as the files are served; packages that are CommonJS are
 * wrapped, each with what it requires.
 */
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join, relative } from "node:path";

/** What each package is in a browser. */
const ADDRESSES: Readonly<Record<string, string>> = {
  "@bufbuild/protobuf/wire": "/node_modules/@bufbuild/protobuf/dist/esm/wire/index.js",
  "@nats-io/nats-core": "/common/@nats-io/nats-core",
  "csv-parse": "/node_modules/csv-parse/dist/esm/index.js",
  "onnxruntime-web": "/node_modules/onnxruntime-web/dist/ort.bundle.min.mjs",
  "onnxruntime-web/webgpu": "/node_modules/onnxruntime-web/dist/ort.webgpu.bundle.min.mjs",
  yaml: "/node_modules/yaml/browser/index.js",
  zod: "/node_modules/zod/index.js",
};
export const COMMON = "/common/";

/** `from "zod"` and `import("zod")` with addresses. */
export const addressed = (text: string): string =>
  text.replace(
    /(\bfrom\s*|\bimport\s*\(?\s*)"([^"./][^"]*)"/g,
    (all, before: string, name: string) =>
      name in ADDRESSES ? `${before}"${ADDRESSES[name]}"` : all,
  );

/** A CommonJS package and what it requires, as one module. */
export async function wrapped(name: string): Promise<string> {
  const files = new Map<string, string>();
  const entry = await collect(name, join(process.cwd(), "package.json"), files);
  const exported = Object.keys(createRequire(entry)(entry) as object);
  const table = [...files].map(
    ([path, text]) => `${JSON.stringify(path)}: (module, exports, require) => {${text}\n}`,
  );
  return `const files = {${table.join(",\n")}};
const made = {};
const load = (path) => {
  if (made[path]) return made[path].exports;
  const module = (made[path] = { exports: {} });
  files[path].call(module.exports, module, module.exports, (next) => load(next));
  return module.exports;
};
export const { ${exported.join(", ")} } = load(${JSON.stringify(short(entry))});`;
}

const short = (path: string): string => relative(process.cwd(), path);

/** Adds the file and all that it requires, whose names become paths. @returns its path */
async function collect(
  specifier: string,
  from: string,
  files: Map<string, string>,
): Promise<string> {
  const require = createRequire(from);
  const path = require.resolve(specifier);
  if (files.has(short(path))) return path;
  files.set(short(path), "");
  let text = await readFile(path, "utf8");
  for (const [all, next] of text.matchAll(/\brequire\("([^"]+)"\)/g)) {
    const found = await collect(next as string, join(dirname(path), "x.js"), files);
    text = text.replaceAll(all, `require(${JSON.stringify(short(found))})`);
  }
  files.set(short(path), text);
  return path;
}
