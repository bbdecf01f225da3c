/** What frames need of a machine, in plain JavaScript: for pages. */
import type { Machine } from "./frame.ts";

export const PORTABLE: Machine = {
  small: (bytes) => new Uint8Array(bytes),
  large: (bytes) => new Uint8Array(bytes),
  crc32: (bytes, sum = 0) => {
    let crc = ~sum;
    for (const byte of bytes) {
      crc ^= byte;
      for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
    }
    return ~crc >>> 0;
  },
};
