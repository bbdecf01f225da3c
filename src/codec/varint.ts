/** Unsigned 32-bit varints: seven bits a byte, least first, the high bit says that more follow (LEB128). */
import { InputError } from "../core/errors.ts";

export const varintBytes = (value: number): number =>
  value < 0x80 ? 1 : value < 0x4000 ? 2 : value < 0x200000 ? 3 : value < 0x10000000 ? 4 : 5;

/** Writes `value` at `at`; answers the offset behind it. */
export function writeVarint(bytes: Uint8Array, at: number, value: number): number {
  while (value >= 0x80) {
    bytes[at++] = (value & 0x7f) | 0x80;
    value >>>= 7;
  }
  bytes[at++] = value;
  return at;
}

export const malformed = (message: string, offset: number): InputError =>
  new InputError([{ code: "BAD_ENCODING", message, offset }]);

/** Reads varints one after another; refuses what is cut short, over 32 bits or longer than needed. */
export class VarintReader {
  readonly #bytes: Uint8Array;
  #at: number;

  constructor(bytes: Uint8Array, at: number) {
    this.#bytes = bytes;
    this.#at = at;
  }

  get offset(): number {
    return this.#at;
  }

  get done(): boolean {
    return this.#at >= this.#bytes.length;
  }

  next(): number {
    const start = this.#at;
    let value = 0;
    for (let shift = 0; shift <= 28; shift += 7) {
      const byte = this.#bytes[this.#at++];
      if (byte === undefined) throw malformed("a number is cut short", start);
      if (shift === 28 && byte > 0x0f) throw malformed("a number is over 32 bits", start);
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) {
        if (byte === 0 && shift > 0) throw malformed("a number is longer than needed", start);
        return value;
      }
    }
    throw malformed("a number is over 32 bits", start);
  }
}
