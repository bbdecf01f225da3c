/** Names that nobody else has: of a life, a stream, an incarnation. From the platform's randomness, in Node and in pages. */

/** 128 random bits, as 32 hexadecimal digits. */
export function freshName(): string {
  const words = globalThis.crypto.getRandomValues(new Uint32Array(4));
  return Array.from(words, (word) => word.toString(16).padStart(8, "0")).join("");
}
