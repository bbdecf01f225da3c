/**
 * The nearest right word for a wrong one: optimal string alignment distance (insertions, deletions,
 * substitutions, swaps of neighbours), so that `sisgnificance` costs one.
 */

/** Smallest number of edits that turns `a` into `b`. */
export function editDistance(a: string, b: string): number {
  let before: number[] = [];
  let above = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let cost = Math.min(above[j]! + 1, row[j - 1]! + 1, above[j - 1]! + (same ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        cost = Math.min(cost, before[j - 2]! + 1);
      }
      row.push(cost);
    }
    before = above;
    above = row;
  }
  return above[b.length]!;
}

const plain = (word: string): string => word.toLowerCase().replace(/[-_ ]/g, "");

/**
 * The candidate most like `word`, or nothing where none is alike. Case, hyphens and underscores do not
 * count; a word that begins the other is alike.
 */
export function nearest(word: string, candidates: readonly string[]): string | undefined {
  const wanted = plain(word);
  let best: string | undefined;
  let bestDistance = Number.POSITIVE_INFINITY;
  for (const candidate of candidates) {
    const other = plain(candidate);
    let distance = editDistance(wanted, other);
    if (wanted.length >= 3 && (other.startsWith(wanted) || wanted.startsWith(other))) {
      distance = Math.min(distance, 1.5);
    }
    const bound = Math.max(1, Math.floor(Math.max(wanted.length, other.length) * 0.4));
    if (distance <= Math.max(bound, 1.5) && distance < bestDistance) {
      if (distance >= Math.max(wanted.length, other.length)) continue;
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}
