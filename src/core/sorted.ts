/** Ascending index sets. */

/** First position whose value is >= bound. */
export function lowerBound(sorted: Uint32Array, bound: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sorted[middle] as number) < bound) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The union of ascending sets that have no element in common. */
export function union(sets: readonly Uint32Array[]): Uint32Array {
  let all = sets[0] ?? new Uint32Array(0);
  for (let i = 1; i < sets.length; i++) all = merge(all, sets[i] as Uint32Array);
  return all;
}

function merge(a: Uint32Array, b: Uint32Array): Uint32Array {
  const out = new Uint32Array(a.length + b.length);
  let i = 0;
  let j = 0;
  let k = 0;
  while (i < a.length && j < b.length) {
    out[k++] = (a[i] as number) < (b[j] as number) ? (a[i++] as number) : (b[j++] as number);
  }
  out.set(i < a.length ? a.subarray(i) : b.subarray(j), k);
  return out;
}
