/** Shares of the classes at a site, and how base mixtures are dealt to the sites. */
import type { Random } from "../../core/random.ts";
import { logGamma } from "../dirichlet.ts";
import { allRows } from "../rows.ts";
import { badStream } from "./errors.ts";
import type { MixtureSpec } from "./spec.ts";

/** Share of each class; sums to 1. */
export type Mixture = Float64Array;

/** To sum 1. */
export function normalised(weights: ArrayLike<number>): Mixture {
  const mixture = Float64Array.from(weights);
  const sum = mixture.reduce((a, b) => a + b, 0);
  return mixture.map((weight) => weight / sum);
}

/** (1 - level) * from + level * to. */
export const blend = (from: Mixture, to: Mixture, level: number): Mixture =>
  level === 0 ? from : from.map((share, c) => (1 - level) * share + level * to[c]!);

/** The mixture with one class more, of the given share. */
export const withClass = (mixture: Mixture, added: number, share: number): Mixture =>
  mixture.map((old, c) => (1 - share) * old + (c === added ? share : 0));

/** Total variation: half the sum of differences, 0 (equal) to 1 (no class in common). */
export const distance = (a: Mixture, b: Mixture): number =>
  a.reduce((sum, share, c) => sum + Math.abs(share - b[c]!), 0) / 2;

/**
 * The base mixture of each site.
 * @param prior shares of the classes in the data; a class of share 0 occurs at no site
 */
export function baseMixtures(
  spec: MixtureSpec,
  prior: Mixture,
  sites: number,
  random: Random,
): readonly Mixture[] {
  switch (spec.kind) {
    case "iid":
      return Array.from({ length: sites }, () => prior);
    case "classes":
      return onRing(prior, spec.count, sites, random);
    case "dirichlet":
      return Array.from({ length: sites }, (_, site) =>
        drawn(prior, spec.alpha, random.stream(`mixture ${site}`)),
      );
    default:
      return spec satisfies never;
  }
}

function onRing(prior: Mixture, count: number, sites: number, random: Random): readonly Mixture[] {
  const ring = random.stream("ring").shuffle(allRows(prior.length).filter((c) => prior[c]! > 0));
  if (count > ring.length)
    throw badStream({
      path: ["mixture", "count"],
      message: `a site cannot know ${count} classes: there are ${ring.length}`,
      fix: `at most ${ring.length}; the class that a workload brings is not among them`,
    });
  return Array.from({ length: sites }, (_, site) => {
    const start = Math.floor((site * ring.length) / Math.min(sites, ring.length));
    const weights = new Float64Array(prior.length);
    for (let k = 0; k < count; k++) {
      const c = ring[(start + k) % ring.length]!;
      weights[c] = prior[c]!;
    }
    return normalised(weights);
  });
}

/** One draw of Dirichlet(alpha * classes * prior). */
function drawn(prior: Mixture, alpha: number, random: Random): Mixture {
  const logs = prior.map((share) =>
    share > 0 ? logGamma(alpha * prior.length * share, random) : Number.NEGATIVE_INFINITY,
  );
  const most = logs.reduce((a, b) => Math.max(a, b));
  return normalised(logs.map((log) => Math.exp(log - most)));
}
