/** Units. Time is integer microseconds everywhere, so that sums are exact and order is total. */

/** Integer microseconds. */
export type Micros = number;
/** Bytes (8 bits). KB, MB and GB are powers of ten. */
export type Bytes = number;
/** Bits per second. */
export type BitsPerSecond = number;
/** Floating-point operations. */
export type Flops = number;

export const MILLISECOND: Micros = 1_000;
export const SECOND: Micros = 1_000_000;
export const MEGABIT: BitsPerSecond = 1e6;
export const GIGABIT: BitsPerSecond = 1e9;

/** The time that `bytes` take on a wire of `rate`; at least one microsecond, rounded up. */
export const transmissionMicros = (bytes: Bytes, rate: BitsPerSecond): Micros =>
  Math.max(1, Math.ceil((bytes * 8e6) / rate));
