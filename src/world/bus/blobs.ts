/**
 * Small blobs over a bucket: a set of weights of a few megabytes, a run's files. Pieces are named by the content, the
 * entry that names them is written last, so that a reader sees the old blob or the new one. A get checks length and
 * SHA-256. A blob that is put again is as young as a new one.
 */
import type { Bytes } from "../../core/units.ts";
import type { Buckets } from "./buckets.ts";
import type { BucketOptions, KeyValue } from "./contract.ts";
import { sha256 } from "./digest.ts";
import { BusError, tooLarge } from "./errors.ts";
import { decodeJson, encodeJson } from "./frame.ts";

/** More than this belongs on a connection. */
export const MAX_BLOB: Bytes = 64_000_000;
const PIECE: Bytes = 256_000;
/** So many pieces are under way at a time. */
const AT_ONCE = 8;

export interface Blobs {
  put(name: string, data: Uint8Array): Promise<void>;
  get(name: string): Promise<Uint8Array | undefined>;
  delete(name: string): Promise<void>;
}

interface Manifest {
  readonly bytes: number;
  readonly sha256: string;
}

const piecesOf = (name: string, { bytes, sha256 }: Manifest): readonly string[] =>
  Array.from(
    { length: Math.ceil(bytes / PIECE) },
    (_, i) => `${name}.piece.${sha256.slice(0, 32)}.${i}`,
  );

async function manifestOf(kv: KeyValue, name: string): Promise<Manifest | undefined> {
  const entry = await kv.get(name);
  if (!entry) return undefined;
  const manifest = decodeJson(entry.value) as Partial<Manifest> | undefined;
  const { bytes = -1, sha256 } = manifest ?? {};
  const right = Number.isSafeInteger(bytes) && bytes >= 0 && bytes <= MAX_BLOB;
  if (!right || typeof sha256 !== "string") throw torn(name);
  return { bytes, sha256 };
}

async function forEach<T>(all: readonly T[], act: (one: T, index: number) => Promise<unknown>) {
  for (let from = 0; from < all.length; from += AT_ONCE)
    await Promise.all(all.slice(from, from + AT_ONCE).map((one, i) => act(one, from + i)));
}

export async function openBlobs(
  bus: Buckets,
  bucket: string,
  options: BucketOptions = {},
): Promise<Blobs> {
  const kv = await bus.kv(bucket, options);
  const drop = (names: readonly string[]): Promise<void> =>
    forEach(names, (name) => kv.delete(name));
  return {
    put: async (name, data) => {
      if (data.length > MAX_BLOB)
        throw tooLarge(`blob ${name}: ${data.length} bytes, and a blob has at most ${MAX_BLOB}`);
      const before = await manifestOf(kv, name).catch(() => undefined);
      const manifest: Manifest = { bytes: data.length, sha256: await sha256(data) };
      const pieces = piecesOf(name, manifest);
      await forEach(pieces, (piece, i) => kv.put(piece, data.subarray(i * PIECE, (i + 1) * PIECE)));
      await kv.put(name, encodeJson(manifest));
      if (before && before.sha256 !== manifest.sha256) await drop(piecesOf(name, before));
    },
    get: async (name) => {
      const manifest = await manifestOf(kv, name);
      if (!manifest) return undefined;
      const data = new Uint8Array(manifest.bytes);
      await forEach(piecesOf(name, manifest), async (piece, i) => {
        const place = data.subarray(i * PIECE, (i + 1) * PIECE);
        const entry = await kv.get(piece);
        if (entry?.value.length !== place.length) throw torn(name);
        place.set(entry.value);
      });
      if ((await sha256(data)) !== manifest.sha256) throw torn(name);
      return data;
    },
    delete: async (name) => {
      const manifest = await manifestOf(kv, name).catch(() => undefined);
      await kv.delete(name);
      if (manifest) await drop(piecesOf(name, manifest));
    },
  };
}

const torn = (name: string): BusError =>
  new BusError("BUS_BLOB_TORN", `blob ${name}: its pieces do not add up to what was put`, {
    fix: "read it again: it may have been replaced meanwhile",
    retryable: true,
  });
