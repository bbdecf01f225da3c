/** A page in a real headless Chromium that can import this package as it is built, without a bundler. */
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join, normalize } from "node:path";
import { pathToFileURL } from "node:url";
import { type Browser, chromium, type Page } from "playwright-core";
import { addressed, COMMON, wrapped } from "./modules.ts";

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".mjs": "text/javascript",
  ".wasm": "application/wasm",
};
const OTHER = "application/octet-stream";

const PAGE = "<!doctype html><title>a page</title>";

export interface OpenPage {
  readonly page: Page;
  /** Another tab. */
  another(): Promise<Page>;
  /** What the page's console said. */
  readonly said: string[];
  close(): Promise<void>;
}

/**
 * Serves the repository's root on loopback. `flags` are Chromium's. `folders` are served under further names:
 * `{ "/data/": "…/shared/data" }`. `home` is the user's, where Chromium finds whom the user trusts.
 */
export async function openPage(
  flags: readonly string[] = [],
  folders: Readonly<Record<string, string>> = {},
  home?: string,
): Promise<OpenPage> {
  const server = createServer(async (request, response) => {
    const path = normalize(new URL(request.url ?? "/", "http://localhost").pathname);
    try {
      const body = await contentOf(path, folders);
      response.writeHead(200, { "content-type": typeOf(path) }).end(body);
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const browser: Browser = await chromium.launch({
    executablePath: await chromiumPath(),
    args: ["--no-sandbox", ...flags],
    ...(home !== undefined && { env: { ...process.env, HOME: home } as Record<string, string> }),
  });
  const said: string[] = [];
  const another = async (): Promise<Page> => {
    const page = await browser.newPage();
    page.on("console", (message) => said.push(message.text()));
    page.on("pageerror", (error) => said.push(String(error)));
    await page.goto(`http://127.0.0.1:${port}/`);
    return page;
  };
  return {
    page: await another(),
    another,
    said,
    close: async () => {
      await browser.close();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

const typeOf = (path: string): string => {
  if (path === "/") return "text/html";
  return path.startsWith(COMMON) ? "text/javascript" : (TYPES[extname(path)] ?? OTHER);
};

async function contentOf(
  path: string,
  folders: Readonly<Record<string, string>>,
): Promise<string | Uint8Array> {
  if (path === "/") return PAGE;
  if (path.startsWith(COMMON)) return wrapped(path.slice(COMMON.length));
  const under = Object.keys(folders).find((name) => path.startsWith(name));
  const file = under ? join(folders[under]!, path.slice(under.length)) : join(process.cwd(), path);
  const bytes = await readFile(file);
  return path.startsWith("/dist/") && path.endsWith(".js") ? addressed(bytes.toString()) : bytes;
}

async function chromiumPath(): Promise<string> {
  const { findChromium } = (await import(pathToFileURL("scripts/test-prerequisites.mjs").href)) as {
    findChromium: () => string | undefined;
  };
  const path = findChromium();
  if (path === undefined) throw new Error("no Chromium: node scripts/test-prerequisites.mjs");
  return path;
}
