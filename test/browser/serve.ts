/** A page in a real headless Chromium that can import this package as it is built, without a bundler. */
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join, normalize } from "node:path";
import { pathToFileURL } from "node:url";
import { type Browser, chromium, type Page } from "playwright-core";

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".mjs": "text/javascript",
  ".wasm": "application/wasm",
};

const IMPORTS = {
  "@bufbuild/protobuf/wire": "/node_modules/@bufbuild/protobuf/dist/esm/wire/index.js",
  zod: "/node_modules/zod/index.js",
  "onnxruntime-web": "/node_modules/onnxruntime-web/dist/ort.bundle.min.mjs",
  "onnxruntime-web/webgpu": "/node_modules/onnxruntime-web/dist/ort.webgpu.bundle.min.mjs",
};
const PAGE = `<!doctype html><script type="importmap">${JSON.stringify({ imports: IMPORTS })}</script>`;

export interface OpenPage {
  readonly page: Page;
  /** What the page's console said. */
  readonly said: string[];
  close(): Promise<void>;
}

/** Serves the repository's root on loopback. `flags` are Chromium's. */
export async function openPage(flags: readonly string[] = []): Promise<OpenPage> {
  const server = createServer(async (request, response) => {
    const path = normalize(new URL(request.url ?? "/", "http://localhost").pathname);
    try {
      const body = path === "/" ? PAGE : await readFile(join(process.cwd(), path));
      response.writeHead(200, { "content-type": TYPES[extname(path)] ?? "text/html" }).end(body);
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const browser: Browser = await chromium.launch({
    executablePath: await chromiumPath(),
    args: ["--no-sandbox", ...flags],
  });
  const page = await browser.newPage();
  const said: string[] = [];
  page.on("console", (message) => said.push(message.text()));
  page.on("pageerror", (error) => said.push(String(error)));
  await page.goto(`http://127.0.0.1:${port}/`);
  return {
    page,
    said,
    close: async () => {
      await browser.close();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function chromiumPath(): Promise<string> {
  const { findChromium } = (await import(pathToFileURL("scripts/test-prerequisites.mjs").href)) as {
    findChromium: () => string | undefined;
  };
  const path = findChromium();
  if (path === undefined) throw new Error("no Chromium: node scripts/test-prerequisites.mjs");
  return path;
}
