/** Files as a page has them, and what a page must have itself. */
import { afterEach, describe, expect, test, vi } from "vitest";
import { checkAccess } from "../../src/browser/access.ts";
import {
  AskedFiles,
  answerRead,
  type FileSource,
  filesBelow,
  filesPicked,
  runFiles,
} from "../../src/browser/files.ts";
import type { ReadFile } from "../../src/browser/messages.ts";
import { requireBrowser } from "../../src/browser/platform.ts";
import { createPageStore } from "../../src/browser/store.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (read: Uint8Array | undefined): string | undefined =>
  read && new TextDecoder().decode(read);
const codeOf = async (call: () => unknown): Promise<unknown> => {
  try {
    await call();
  } catch (error) {
    const { code, issues } = error as { code?: string; issues?: readonly { code: string }[] };
    return issues?.[0]?.code ?? code;
  }
  return "nothing was refused";
};

describe("below an address", () => {
  const asked: string[] = [];
  const page = (answers: Readonly<Record<string, Response>>): FileSource => {
    vi.stubGlobal("fetch", async (address: URL) => {
      asked.push(address.href);
      return answers[address.pathname] ?? new Response("", { status: 404 });
    });
    return filesBelow("https://here.test/data");
  };
  afterEach(() => vi.unstubAllGlobals());

  test("a file is its bytes, and one that is not there is nothing", async () => {
    const files = page({ "/data/mnist/labels.gz": new Response("labels") });
    expect(text(await files("mnist/labels.gz"))).toBe("labels");
    expect(await files("mnist/labels")).toBeUndefined();
    expect(asked).toEqual([
      "https://here.test/data/mnist/labels.gz",
      "https://here.test/data/mnist/labels",
    ]);
  });

  test("the page that some servers give for everything is no file", async () => {
    const headers = { "content-type": "text/html; charset=utf-8" };
    const files = page({ "/data/x.csv": new Response("<!doctype html>", { headers }) });
    expect(await files("x.csv")).toBeUndefined();
  });

  test("a server that fails says so", async () => {
    const files = page({ "/data/x.csv": new Response("", { status: 500 }) });
    expect(await codeOf(() => files("x.csv"))).toBe("FILE_UNREADABLE");
  });
});

describe("picked by the user", () => {
  const picked = (name: string, content: string, webkitRelativePath = "") => ({
    name,
    webkitRelativePath,
    arrayBuffer: async () => bytes(content).buffer as ArrayBuffer,
  });

  test("are found by path, or by name alone", async () => {
    const files = filesPicked([
      picked("rows.csv", "one", "a/rows.csv"),
      picked("rows.csv", "two", "b/rows.csv"),
      picked("alone.csv", "three"),
    ]);
    expect(text(await files("b/rows.csv"))).toBe("two");
    expect(text(await files("anywhere/alone.csv"))).toBe("three");
    expect(await files("other.csv")).toBeUndefined();
  });
});

describe("asked for through workers", () => {
  test("each answer finds its question, and failures keep their code", async () => {
    const source: FileSource = async (path) => (path === "a" ? bytes("A") : undefined);
    const asked: ReadFile[] = [];
    const files = new AskedFiles((question) => asked.push(question));
    const [a, b, c] = [files.source("a"), files.source("b"), files.source("c")];
    const broken = filesBelow("no address");
    files.answered(await answerRead(asked[2]!, broken));
    files.answered(await answerRead(asked[1]!, source));
    files.answered(await answerRead(asked[0]!, source));
    expect(text(await a)).toBe("A");
    expect(await b).toBeUndefined();
    await expect(c).rejects.toThrow();
  });

  test("a run looks whether a file is there, and reads it once", async () => {
    const paths: string[] = [];
    const { exists, readFile } = runFiles(async (path) => {
      paths.push(path);
      return path === "mnist/x.gz" ? bytes("x") : undefined;
    });
    expect(await exists("./mnist/x")).toBe(false);
    expect(await exists("./mnist/x.gz")).toBe(true);
    expect(text(await readFile("./mnist/x.gz"))).toBe("x");
    expect(paths).toEqual(["mnist/x", "mnist/x.gz"]);
    expect(await codeOf(() => readFile("./y"))).toBe("FILE_UNREADABLE");
  });
});

describe("a browser that lacks something", () => {
  const all = { Worker: 1, WebSocket: 1, WebAssembly: 1, DecompressionStream: 1 };
  test("is told what", async () => {
    expect(requireBrowser(all)).toBeUndefined();
    const { Worker: _, ...without } = all;
    expect(await codeOf(() => requireBrowser(without))).toBe("NO_BROWSER");
    expect(() => requireBrowser(without)).toThrow("this page has no Web Workers");
  });
});

test("keys may be absent on loopback only", async () => {
  const access = (servers: string[], seed?: string, coordinator?: string) => () =>
    checkAccess({ servers, seed }, coordinator);
  expect(access(["ws://127.0.0.1:80"])().servers).toEqual(["ws://127.0.0.1:80"]);
  expect(access(["wss://example.org"], "SU", "U")().seed).toBe("SU");
  expect(await codeOf(access(["wss://example.org"], "SU"))).toBe("BUS_INSECURE");
  expect(await codeOf(access(["wss://example.org"]))).toBe("BUS_INSECURE");
  expect(await codeOf(access(["ws://localhost", "wss://example.org"]))).toBe("BUS_INSECURE");
  expect(await codeOf(access([]))).toBe("BUS_ADDRESS");
});

test("a page's store keeps copies of its own", async () => {
  const store = createPageStore();
  const value = bytes("a");
  await store.put("key", value);
  await store.append("log", value);
  await store.append("log", bytes("b"));
  value[0] = 0;
  expect(text(await store.get("key"))).toBe("a");
  expect((await store.list("log")).map(text)).toEqual(["a", "b"]);
  expect([await store.get("other"), await store.list("other")]).toEqual([undefined, []]);
});
