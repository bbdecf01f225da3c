/**
 * Small blobs over a bucket: a plan, a set of weights of a few megabytes, a report. Pieces are named by the
 * content, the entry that names them is written last, so that a reader sees the old blob or the new one. A get
 * checks length and SHA-256.
 */
import { createHash } from "node:crypto";
import type { Bytes } from "../../core/units.ts";
import type { BucketOptions, Bus, KeyValue } from "./contract.ts";
import { BusError, tooLarge } from "./errors.ts";
import { decodeJson, encodeJson } from "./frame.ts";

/** More than this belongs on a connection. */
export const MAX_BLOB: Bytes = 64_000_000;
const PIECE: Bytes = 256_000;

export interface Blobs {
  put(name: string, data: Uint8Array): Promise<void>;
  get(name: string): Promise<Uint8Array | undefined>;
  delete(name: string): Promise<void>;
}

interface Manifest {
  readonly bytes: number;
  readonly sha256: string;
}

const sha256 = (data: Uint8Array): string => createHash("sha256").update(data).digest("hex");
const piecesOf = (name: string, { bytes, sha256 }: Manifest): readonly string[] =>
  Array.from(
    { length: Math.ceil(bytes / PIECE) },
    (_, i) => `${name}.piece.${sha256.slice(0, 32)}.${i}`,
  );

async function manifestOf(kv: KeyValue, name: string): Promise<Manifest | undefined> {
  const entry = await kv.get(name);
  return entry && (decodeJson(entry.value) as Manifest);
}

export async function openBlobs(
  bus: Bus,
  bucket: string,
  options: BucketOptions = {},
): Promise<Blobs> {
  const kv = await bus.kv(bucket, options);
  const drop = async (names: readonly string[]): Promise<void> => {
    for (const name of names) await kv.delete(name);
  };
  return {
    put: async (name, data) => {
      if (data.length > MAX_BLOB)
        throw tooLarge(`blob ${name}: ${data.length} bytes, and a blob has at most ${MAX_BLOB}`);
      const before = await manifestOf(kv, name);
      const manifest: Manifest = { bytes: data.length, sha256: sha256(data) };
      const pieces = piecesOf(name, manifest);
      for (const [i, piece] of pieces.entries())
        await kv.put(piece, data.subarray(i * PIECE, (i + 1) * PIECE));
      await kv.put(name, encodeJson(manifest));
      if (before && before.sha256 !== manifest.sha256) await drop(piecesOf(name, before));
    },
    get: async (name) => {
      const manifest = await manifestOf(kv, name);
      if (!manifest) return undefined;
      const data = new Uint8Array(manifest.bytes);
      for (const [i, piece] of piecesOf(name, manifest).entries()) {
        const entry = await kv.get(piece);
        if (entry) data.set(entry.value, i * PIECE);
      }
      if (sha256(data) !== manifest.sha256) throw torn(name);
      return data;
    },
    delete: async (name) => {
      const manifest = await manifestOf(kv, name);
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
