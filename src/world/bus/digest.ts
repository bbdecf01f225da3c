/** SHA-256, by what Node and pages both have. */
import { BusError } from "./errors.ts";

/** In hexadecimal digits. @throws BusError NO_DIGEST in a page that did not come over https (or from loopback). */
export async function sha256(data: Uint8Array): Promise<string> {
  const subtle = globalThis.crypto.subtle as typeof globalThis.crypto.subtle | undefined;
  if (!subtle) {
    const fix = "serve the page over https";
    throw new BusError("NO_DIGEST", "this page cannot check what it was sent", { fix });
  }
  // Shared memory may change meanwhile, and is refused.
  const own = data.buffer instanceof ArrayBuffer ? (data as Uint8Array<ArrayBuffer>) : data.slice();
  return toHex(new Uint8Array(await subtle.digest("SHA-256", own)));
}

const toHex = (bytes: Uint8Array): string =>
  Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
