/**
 * Seeded random streams: xoshiro128** (Blackman and Vigna, "Scrambled Linear Pseudorandom Number
 * Generators", 2018), seeded by splitmix32. One stream for each node and purpose, so that a new draw
 * in one place never shifts the draws of another.
 */
export interface Random {
  /** Uniform in [0, 1) with 32 random bits. */
  next(): number;
  /** Uniform integer in [0, bound). */
  integer(bound: number): number;
  /** Standard normal (Box-Muller, one value a call). */
  normal(): number;
  /** Fisher-Yates, in place. */
  shuffle<T extends { length: number; [index: number]: unknown }>(items: T): T;
  /** An independent stream, determined by this stream's seed and the name, not by draws made. */
  stream(name: string): Random;
}

const hash32 = (text: string, seed: number): number => {
  let h = (seed ^ 0x811c9dc5) >>> 0;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193) >>> 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b) >>> 0;
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35) >>> 0;
  return (h ^ (h >>> 16)) >>> 0;
};

const rotl = (x: number, k: number): number => ((x << k) | (x >>> (32 - k))) >>> 0;

export function createRandom(seed: number, name = ""): Random {
  const root = hash32(name, seed >>> 0);
  let mixer = root;
  const splitmix = (): number => {
    mixer = (mixer + 0x9e3779b9) >>> 0;
    let z = mixer;
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return (z ^ (z >>> 15)) >>> 0;
  };
  let a = splitmix();
  let b = splitmix();
  let c = splitmix();
  let d = splitmix() | 1;

  const bits = (): number => {
    const result = Math.imul(rotl(Math.imul(b, 5) >>> 0, 7), 9) >>> 0;
    const t = (b << 9) >>> 0;
    c = (c ^ a) >>> 0;
    d = (d ^ b) >>> 0;
    b = (b ^ c) >>> 0;
    a = (a ^ d) >>> 0;
    c = (c ^ t) >>> 0;
    d = rotl(d, 11);
    return result;
  };

  const random: Random = {
    next: () => bits() / 4294967296,
    integer: (bound) => Math.floor((bits() / 4294967296) * bound),
    normal: () => {
      const radius = Math.sqrt(-2 * Math.log((bits() + 1) / 4294967297));
      return radius * Math.cos((2 * Math.PI * bits()) / 4294967296);
    },
    shuffle: (items) => {
      for (let i = items.length - 1; i > 0; i--) {
        const j = random.integer(i + 1);
        const kept = items[i];
        (items as { [index: number]: unknown })[i] = items[j];
        (items as { [index: number]: unknown })[j] = kept;
      }
      return items;
    },
    stream: (child) => createRandom(root, child),
  };
  return random;
}
