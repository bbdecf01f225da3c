/** Random comings and goings, and what must hold after them: shared by the tests of members. */
import type { Random } from "../../src/core/random.ts";
import { GaiaShard } from "../../src/sync/between/gaia/shard.ts";
import type { ShardContext } from "../../src/sync/contract.ts";
import type { FaultSpec } from "../../src/world/simulated/faults.ts";
import { mixed, siteName, type Toy, type ToyOutcome } from "./harness.ts";

/** Leaves, joins and crashes of workers and whole sites at random times. */
export function randomMembers(
  random: Random,
  shape: { readonly sites: number; readonly workers: number },
  options: {
    readonly count: number;
    readonly seconds: number;
    /** Sites that neither leave nor join as a whole. */
    readonly stay?: readonly string[];
    readonly workersOnly?: boolean;
  },
): FaultSpec[] {
  const { stay = [], workersOnly = false } = options;
  return Array.from({ length: options.count }, (): FaultSpec => {
    const site = siteName(random.integer(shape.sites));
    const pick = random.integer(shape.workers + 4);
    const at = random.integer(options.seconds * 1e6) / 1e6;
    const whole = pick >= shape.workers && !workersOnly && !stay.includes(site);
    const target = whole ? site : `${site}/worker-${pick % shape.workers}`;
    if (!whole && random.integer(4) === 0)
      return { kind: "crash", node: target, at, detectAfter: 0.3 };
    return { kind: random.integer(2) === 0 ? "leave" : "join", at, target };
  });
}

export const ELEMENTS = 4;

/** Each site moves elements of its own by whole numbers: what became of them elsewhere is seen in every copy. */
export const ownElements = (sites: number, workersPerSite: number): Toy => ({
  length: sites * ELEMENTS,
  initial: () => 1000,
  gradient: (work) => {
    const site = Math.floor(work.worker / workersPerSite);
    work.out.forEach((_, i) => {
      const mine = Math.floor(i / ELEMENTS) === site;
      work.out[i] = mine ? 64 * ((mixed(work.worker, work.clock, i) % 19) - 9) : 0;
    });
  },
});

interface Live {
  readonly context: ShardContext;
  readonly gaia: GaiaShard;
}

/** The shards that stand at the end, by domain. */
function liveShards(outcome: ToyOutcome): ReadonlyMap<string, readonly Live[]> {
  const last = new Map<string, Live>();
  for (const { context, between } of outcome.shards) {
    if (!(between instanceof GaiaShard)) throw new Error("a shard of Gaia");
    last.set(context.world.node.id, { context, gaia: between });
  }
  const all = [...last.values()];
  // Who began last, or has never left, has heard everything by the end.
  const { members } = (all.find(({ context }) => outcome.isPresent(context.world.node.id)) as Live)
    .context.world;
  const by = new Map<string, Live[]>();
  for (const live of all) {
    if (!members.present(live.context.world.node.id)) continue;
    by.set(live.context.domain.id, [...(by.get(live.context.domain.id) ?? []), live]);
  }
  return by;
}

/** Element by element, what waits in a live shard's channels to a site, of what a group sends. */
function waits({ gaia, context }: Live, to: string, group: number): Float32Array {
  const sums = new Float32Array(context.values.length);
  for (const channel of gaia.channels) {
    if (channel.site !== to || channel.group !== group) continue;
    const { indices, values } = channel.waiting();
    indices.forEach((index, k) => {
      sums[index] = (sums[index] as number) + (values[k] as number);
    });
  }
  return sums;
}

/** The hops from a maker to another site, as (from, to). */
function hops(maker: Live, other: Live, at: (site: string) => Live): (readonly [Live, string])[] {
  const group = maker.gaia.circle.group;
  const [source, target] = [maker.context.domain.id, other.context.domain.id];
  if (other.gaia.circle.group === group) return [[maker, target]];
  const upstream = (live: Live): string =>
    live.context.domains.find(({ id }) => live.gaia.circle.speaks(id, group))?.id as string;
  const way: (readonly [Live, string])[] = [];
  let speaker = at(upstream(other));
  way.push([speaker, target]);
  if (speaker.gaia.circle.group !== group) {
    const into = speaker.context.domain.id;
    speaker = at(upstream(speaker));
    way.push([speaker, into]);
  }
  const gate = speaker.context.domain.id;
  return gate === source ? way : [...way, [maker, gate]];
}

/**
 * For each site that never left: what it made is in every copy, or still waits at its maker or in a channel on the way.
 * Answers how many pairs of copies were compared.
 */
export function expectNothingLost(outcome: ToyOutcome, left: ReadonlySet<string>): number {
  let compared = 0;
  const live = liveShards(outcome);
  const mistakes: string[] = [];
  const mirrorOf = (site: string, shard: number): Live =>
    live.get(site)?.find(({ context }) => context.owner.shard === shard) as Live;
  for (const [maker, shards] of live) {
    if (left.has(maker)) continue;
    const site = outcome.sites.findIndex(({ id }) => id === maker);
    for (const made of shards) {
      const { shard, range } = made.context.owner;
      for (const other of live.keys()) {
        if (other === maker) continue;
        const mirror = mirrorOf(other, shard);
        const way = hops(made, mirror, (name) => mirrorOf(name, shard));
        const waiting = way.map(([from, to]) => waits(from, to, made.gaia.circle.group));
        compared++;
        made.context.values.forEach((value, i) => {
          if (Math.floor((range.start + i) / ELEMENTS) !== site) return;
          const sent = value - (made.gaia.residual[i] as number);
          const got = waiting.reduce(
            (sum, held) => sum + (held[i] as number),
            mirror.context.values[i] as number,
          );
          if (sent !== got) mistakes.push(`${maker} made ${sent}, ${other} has ${got}`);
        });
      }
    }
  }
  if (mistakes.length > 0) throw new Error(mistakes.slice(0, 5).join("\n"));
  return compared;
}
