/** What of a browser is used here, as types: those of browsers are not among those of Node. */
import { InputError } from "../core/errors.ts";

interface Said {
  readonly data: unknown;
}

interface Failed {
  readonly message?: string;
}

/** A dedicated worker, seen from whoever started it. */
export interface WebWorker {
  onmessage: ((event: Said) => void) | null;
  onerror: ((event: Failed) => void) | null;
  postMessage(message: unknown, transfer?: readonly unknown[]): void;
  terminate(): void;
}

/** The same, seen from inside. */
interface WorkerScope {
  onmessage: ((event: Said) => void) | null;
  postMessage(message: unknown, transfer?: readonly unknown[]): void;
  close(): void;
}

/** The scope of this worker. */
export const workerScope = (): WorkerScope => globalThis as unknown as WorkerScope;

/** Crosses without a copy, and is gone here. */
export const whole = (bytes: Uint8Array | undefined): readonly unknown[] =>
  bytes && bytes.byteLength === bytes.buffer.byteLength ? [bytes.buffer] : [];

const NEEDED = {
  Worker: "Web Workers",
  WebSocket: "WebSocket",
  WebAssembly: "WebAssembly",
  DecompressionStream: "DecompressionStream",
} as const;

/** @throws InputError NO_BROWSER that names what this page does not have */
export function requireBrowser(has: object = globalThis): void {
  const missing = Object.entries(NEEDED).flatMap(([name, what]) => (name in has ? [] : [what]));
  if (missing.length === 0) return;
  const message = `this page has no ${missing.join(", no ")}`;
  const fix = "a browser of 2023 or later; in Node: pangaea node";
  throw new InputError([{ code: "NO_BROWSER", message, fix }]);
}
