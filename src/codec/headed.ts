/**
 * Bytes with a small JSON header, as safetensors begins: eight bytes (little endian) that say how long the header is, the
 * header, the bytes. For what has no tensors by name.
 */
import { InputError } from "../core/errors.ts";

const LENGTH_BYTES = 8;

export function writeHeaded(header: object, body: Uint8Array): Uint8Array {
  const text = new TextEncoder().encode(JSON.stringify(header));
  const bytes = new Uint8Array(LENGTH_BYTES + text.length + body.length);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(text.length), true);
  bytes.set(text, LENGTH_BYTES);
  bytes.set(body, LENGTH_BYTES + text.length);
  return bytes;
}

/** The header and a view of the rest. @throws InputError BAD_HEADER. */
export function readHeaded(
  bytes: Uint8Array,
  file: string,
): { readonly header: unknown; readonly body: Uint8Array } {
  const refuse = (message: string): InputError =>
    new InputError([{ code: "BAD_HEADER", file, message, fix: "it may be cut off" }]);
  if (bytes.length < LENGTH_BYTES) throw refuse(`${bytes.length} bytes are no header`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = view.getBigUint64(0, true);
  if (length > BigInt(bytes.length - LENGTH_BYTES)) throw refuse("the header ends beyond the file");
  const end = LENGTH_BYTES + Number(length);
  try {
    const text = new TextDecoder().decode(bytes.subarray(LENGTH_BYTES, end));
    return { header: JSON.parse(text), body: bytes.subarray(end) };
  } catch {
    throw refuse("the header is no JSON");
  }
}
