/**
 * Compiles src/core/kernels/assembly/kernels.ts to WebAssembly and writes it into
 * src/core/kernels/module.ts, which is committed, so that users need no compiler.
 *
 *   node scripts/build-kernels.mjs          writes module.ts
 *   node scripts/build-kernels.mjs --check  fails if module.ts is not what the source gives
 */
import { createHash } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import asc from "assemblyscript/asc";

const folder = new URL("../src/core/kernels/", import.meta.url);
const target = new URL("module.ts", folder);
const entry = "assembly/kernels.ts";

const options = [
  ...["--outFile", "kernels.wasm", "-O3", "--converge", "--noAssert", "--runtime", "stub"],
  ...["--enable", "simd,threads,bulk-memory", "--importMemory", "--noExportMemory"],
  ...["--sharedMemory", "--initialMemory", "1", "--maximumMemory", "65536"],
];

async function compile(source) {
  let wasm;
  const { error, stderr } = await asc.main([entry, ...options], {
    readFile: (name) => (name === entry ? source : null),
    writeFile: (name, contents) => {
      if (name.endsWith(".wasm")) wasm = contents;
    },
    listFiles: () => [],
  });
  if (error) throw new Error(`${error.message}\n${stderr}`);
  return wasm;
}

async function render() {
  const source = await readFile(new URL(entry, folder), "utf8");
  const wasm = await compile(source);
  const text = Buffer.from(wasm).toString("base64");
  const lines = text.match(/.{1,110}/g) ?? [];
  return [
    "/** Made by scripts/build-kernels.mjs from assembly/kernels.ts; change that file, not this one. */",
    `export const SOURCE_SHA256 = "${createHash("sha256").update(source).digest("hex")}";`,
    "",
    `/** The WebAssembly module (${wasm.length} bytes) as base64. */`,
    "export const MODULE_BASE64: string = [",
    ...lines.map((line) => `  "${line}",`),
    '].join("");',
    "",
  ].join("\n");
}

const made = await render();
if (process.argv.includes("--check")) {
  const kept = await readFile(target, "utf8");
  if (kept !== made) {
    console.error(`${fileURLToPath(target)} is stale: run npm run build:kernels`);
    process.exit(1);
  }
} else {
  await writeFile(target, made);
  console.log(`wrote ${fileURLToPath(target)} (${made.length} characters)`);
}
