/** A seeded mutator: what comes back from a decoder must be a value or an `InputError`, nothing else. */
import { InputError } from "../../src/core/errors.ts";
import type { Random } from "../../src/core/random.ts";

/** Flips, overwrites, inserts, deletes, truncates or repeats bytes, one to four times. */
export function mutate(input: Uint8Array, random: Random): Uint8Array {
  let bytes = [...input];
  for (let times = 1 + random.integer(4); times > 0; times--) {
    const at = random.integer(bytes.length + 1);
    const kind = random.integer(6);
    if (kind === 0) bytes[at] = (bytes[at] ?? 0) ^ (1 << random.integer(8));
    else if (kind === 1) bytes[at] = [0, 1, 0x7f, 0x80, 0xff, 0x22][random.integer(6)]!;
    else if (kind === 2) bytes.splice(at, 0, random.integer(256));
    else if (kind === 3) bytes.splice(at, 1 + random.integer(4));
    else if (kind === 4) bytes = bytes.slice(0, at);
    else bytes.splice(at, 0, ...bytes.slice(at, at + random.integer(16)));
  }
  return Uint8Array.from(bytes);
}

/** Runs the decoder; answers whether it took the input. Rethrows all but typed errors. */
export function accepts(decode: () => unknown): boolean {
  try {
    decode();
    return true;
  } catch (error) {
    if (error instanceof InputError && error.issues[0]?.message) return false;
    throw error;
  }
}
