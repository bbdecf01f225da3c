/**
 * What frames need of the machine that they are read and written on. Node has a pool of memory that is not zeroed
 * and a fast checksum; a page has neither.
 */
import { crc32 } from "node:zlib";
import type { Machine } from "./frame.ts";

export const NODE: Machine = {
  small: (bytes) => Buffer.allocUnsafe(bytes),
  // Not zeroed, and never from the pool: parts of a payload are views of it.
  large: (bytes) => Buffer.allocUnsafeSlow(bytes),
  crc32: (bytes, sum) => crc32(bytes, sum),
};
