/**
 * Gaia beside one shard's owner (Hsieh et al., "Gaia: Geo-Distributed Machine Learning Approaching LAN
 * Speeds", NSDI'17). At the end of each clock the significant part of what has accumulated goes to the
 * mirrors; the rest waits until it is significant. Reads wait for announced values (selective barrier) and
 * for mirrors that are too far behind (mirror clock).
 *
 * `staleness: 0` is lockstep: every clock's updates are kept and applied at the clock boundary, in site
 * order, so that a run is repeatable and, with significance 0, equal to one parameter server.
 */
import { decodeIndices } from "../../../codec/indices.ts";
import { decodeUpdate, type Update } from "../../../codec/update.ts";
import { invariant } from "../../../core/errors.ts";
import type { NodeId, SiteId } from "../../../core/ids.ts";
import type { Message } from "../../../world/message.ts";
import { type BetweenShard, type PendingRead, type ShardContext, siteOf } from "../../contract.ts";
import { SelectiveBarrier } from "./barrier.ts";
import { Batch, Channel } from "./channel.ts";
import { MirrorClocks } from "./clocks.ts";
import { CLOCK, ECHO, INDEXES, UPDATE } from "./messages.ts";
import type { GaiaOptions } from "./options.ts";
import { type Overlay, type Place, placeOf } from "./overlay.ts";
import { createThreshold, type Threshold } from "./threshold.ts";

/** Clocks between two measurements of the round trip. */
const ECHO_EVERY = 8;
/** Clocks between two samples of the share of updates below 1 % significance. */
const SAMPLE_EVERY = 10;

/** A remote update that waits for its clock boundary (lockstep). */
interface Kept {
  readonly clock: number;
  readonly origin: string;
  readonly update: Update;
}

/** By clock, then by site. */
const inOrder = (
  a: { readonly clock: number; readonly origin: string },
  b: { readonly clock: number; readonly origin: string },
): number => a.clock - b.clock || (a.origin < b.origin ? -1 : a.origin > b.origin ? 1 : 0);

/** The name under which a remote group's clock is kept. */
const groupName = (group: number): string => `group ${group}`;

export class GaiaShard implements BetweenShard {
  readonly #shard: ShardContext;
  readonly #options: GaiaOptions;
  readonly #place: Place;
  readonly #overlay: Overlay;
  readonly #threshold: Threshold;
  readonly #barrier = new SelectiveBarrier();
  readonly #clocks: MirrorClocks;
  readonly #accumulated: Float32Array;
  readonly #scratch: Uint32Array;
  /** To each peer of the group, and to each remote router this site is responsible for. */
  readonly #peers: readonly Channel[];
  readonly #routes: readonly { readonly group: number; readonly channel: Channel }[];
  readonly #lockstep: boolean;
  #clock = 0;
  /** Clocks of the own group that were forwarded to other groups. */
  #forwarded = 0;
  /** Lockstep: clocks whose remote updates are applied, and updates that wait. */
  #boundary = 0;
  #kept: Kept[] = [];
  #gathered: { readonly clock: number; readonly origin: string; readonly batch: Batch }[] = [];
  /** Values-only batches that came before their indexes. */
  #early: { readonly message: Message; readonly from: NodeId }[] = [];

  constructor(shard: ShardContext, options: GaiaOptions, overlay: Overlay) {
    this.#shard = shard;
    this.#options = options;
    this.#overlay = overlay;
    this.#lockstep = options.staleness === 0;
    const { world, training } = shard;
    this.#place = placeOf(world.node.site, overlay);
    this.#threshold = createThreshold(options, training.optimizer.schedule);
    const remote = overlay.groups.map((_, group) => group).filter((g) => g !== this.#place.group);
    this.#clocks = new MirrorClocks(
      [...this.#place.peers, ...remote.map(groupName)],
      options.staleness,
    );
    this.#accumulated = world.kernels.allocate(shard.values.length);
    this.#scratch = new Uint32Array(shard.values.length);
    this.#peers = this.#place.peers.map((site) => this.#channel(site, this.#place.group));
    this.#routes = this.#place.routes.map(({ group, site }) => ({
      group,
      channel: this.#channel(site, this.#place.group),
    }));
    world.network.handle(UPDATE, (message, from) => this.#update(message, from));
    world.network.handle(INDEXES, (message, from) => this.#indexes(message, from));
    world.network.handle(CLOCK, (message, from) => this.#mirrorClock(message, from));
    world.network.handle(ECHO, (message, from) => this.#echo(message, from));
  }

  applied(delta: Float32Array, indices?: Uint32Array): void {
    const { kernels } = this.#shard.world;
    if (this.#samples) this.#sample(delta, indices);
    if (indices) kernels.scatterAdd(this.#accumulated, indices, delta);
    else kernels.add(this.#accumulated, delta);
  }

  afterClock(clock: number): void {
    this.#clock = clock;
    const { world } = this.#shard;
    this.#clocks.tick(world.clock.now());
    const batch = this.#significant(clock);
    for (const channel of this.#peers) channel.send(batch, clock);
    this.#gather(batch, clock, world.node.site);
    const header = { group: this.#place.group, clock, path: 0, ...this.#stamp(clock) };
    for (const channel of this.#peers) world.network.send(channel.to, CLOCK, header);
    this.#forward();
    if (this.#lockstep) this.#applyKept();
  }

  admit(): number {
    return this.#barrier.ticket;
  }

  ready(read: PendingRead): boolean {
    if (this.#lockstep) return this.#boundary >= read.clock;
    return (
      this.#clocks.tooSlow(this.#clock).length === 0 &&
      this.#barrier.blockers(read.ticket, read.indices).length === 0
    );
  }

  waitingFor(read: PendingRead): readonly string[] {
    if (this.#lockstep) {
      return this.#origins.filter((name) => (this.#delivered(name) ?? 0) < read.clock);
    }
    return [
      ...this.#clocks.tooSlow(this.#clock),
      ...this.#barrier.blockers(read.ticket, read.indices),
    ];
  }

  /** What has been made here and not yet been handed to a channel: for the books. */
  get residual(): Float32Array {
    return this.#accumulated;
  }

  /** Every channel from here: for the books. */
  get channels(): readonly Channel[] {
    const routes = this.#routes.map(({ channel }) => channel);
    return [...this.#peers, ...routes, ...[...this.#relayChannels.values()].flat()];
  }

  #channel(site: SiteId, group: number): Channel {
    const { world, scope, domains, owner } = this.#shard;
    const mirror = domains.find((domain) => domain.id === site)?.owners[owner.shard];
    invariant(mirror, `site ${site} has a mirror of shard ${owner.shard}`);
    const length = this.#shard.values.length;
    const { barrier } = this.#options;
    const lockstep = this.#lockstep;
    return new Channel({ world, scope, to: mirror.node.id, group, length, barrier, lockstep });
  }

  /** Takes what is significant out of the accumulated updates. */
  #significant(clock: number): Batch {
    const { world, values } = this.#shard;
    const { kernels } = world;
    const sentBytes = [...this.#peers, ...this.#routes.map((route) => route.channel)].reduce(
      (sum, channel) => sum + channel.sentBytes,
      0,
    );
    const threshold = this.#threshold.at(clock, { now: world.clock.now(), bytes: sentBytes });
    const made = this.#samples
      ? kernels.significantAbsolute(this.#accumulated, 0, this.#scratch)
      : 0;
    const count =
      this.#options.measure === "absolute"
        ? kernels.significantAbsolute(this.#accumulated, threshold, this.#scratch)
        : kernels.significantRelative(this.#accumulated, values, threshold, this.#scratch);
    if (made > 0) {
      this.#metric("gaia.significantFraction", count / made);
      this.#metric("gaia.threshold", threshold);
    }
    const indices = this.#scratch.slice(0, count);
    const taken = new Float32Array(count);
    kernels.take(taken, this.#accumulated, indices);
    return new Batch({ format: "sparse", indices, values: taken }, values.length);
  }

  #metric(name: string, value: number): void {
    const { world } = this.#shard;
    world.emit({ type: "metric", t: world.clock.now(), name, value, site: world.node.site });
  }

  get #samples(): boolean {
    return this.#clock % SAMPLE_EVERY === 0;
  }

  /** The share of single updates that move their parameter by at most 1 %. */
  #sample(delta: Float32Array, indices: Uint32Array | undefined): void {
    const { world, values } = this.#shard;
    let compared = values;
    if (indices) {
      compared = new Float32Array(indices.length);
      world.kernels.gather(compared, values, indices);
    }
    const all = world.kernels.significantAbsolute(delta, 0, this.#scratch);
    const above = world.kernels.significantRelative(delta, compared, 0.01, this.#scratch);
    if (all > 0) this.#metric("gaia.belowOnePercent", 1 - above / all);
  }

  #stamp(clock: number): { readonly stamp?: number } {
    return clock % ECHO_EVERY === 1 ? { stamp: this.#shard.world.clock.now() } : {};
  }

  /** As a router: sends the own group's progress, and what it has gathered, to the other groups. */
  #forward(): void {
    if (this.#routes.length === 0) return;
    const { world } = this.#shard;
    const of = this.#lockstep ? "delivered" : "clock";
    const clock = Math.min(this.#clock, this.#clocks.minimum(this.#place.peers, of));
    while (this.#forwarded < clock) {
      this.#forwarded++;
      const due = this.#gathered.filter((kept) => kept.clock <= this.#forwarded).sort(inOrder);
      this.#gathered = this.#gathered.filter((kept) => kept.clock > this.#forwarded);
      for (const { batch } of due) for (const { channel } of this.#routes) channel.offer(batch);
      const path = this.#groupRoundTrip();
      const header = {
        group: this.#place.group,
        clock: this.#forwarded,
        ...(path === undefined ? {} : { path }),
        ...this.#stamp(this.#forwarded),
      };
      for (const { channel } of this.#routes) {
        channel.release(this.#forwarded);
        world.network.send(channel.to, CLOCK, header);
      }
    }
  }

  /** The longest round trip to a peer, once all are known: what a remote group must add to its own. */
  #groupRoundTrip(): number | undefined {
    let longest = 0;
    for (const site of this.#place.peers) {
      const roundTrip = this.#clocks.mirror(site)?.roundTrip;
      if (roundTrip === undefined) return undefined;
      longest = Math.max(longest, roundTrip);
    }
    return longest;
  }

  #indexes(message: Message, from: NodeId): void {
    const indices = decodeIndices(message.payload[0] as Uint8Array, this.#shard.values.length);
    const { group, sequence } = message.header as Record<string, number>;
    const source = { site: siteOf(from), group: group as number };
    this.#barrier.announce(source, sequence as number, indices);
    const early = this.#early;
    this.#early = [];
    for (const held of early) this.#update(held.message, held.from);
  }

  #update(message: Message, from: NodeId): void {
    const site = siteOf(from);
    const { group, clock, settles, format } = message.header as Record<string, number> & {
      format: string;
    };
    const source = { site, group: group as number };
    const length = this.#shard.values.length;
    // Batches of one sender are taken in order: what comes after an early one waits with it.
    const waits = this.#early.some((held) => held.from === from);
    if (waits || (format === "announced" && !this.#barrier.knows(source, settles as number))) {
      this.#early.push({ message, from });
      return;
    }
    let update: Update;
    if (format === "announced") {
      const indices = this.#barrier.pending(source, settles as number);
      const values = message.payload[0] as Float32Array;
      invariant(indices.length === values.length, "a value for every announced index");
      update = { format: "sparse", indices, values };
    } else {
      update = decodeUpdate(format, message.payload, length);
    }
    const origin = group === this.#place.group ? site : groupName(group as number);
    this.#relay(update, group as number, clock as number, site);
    const mirror = this.#clocks.mirror(origin);
    if (mirror) mirror.delivered = Math.max(mirror.delivered, clock as number);
    if (this.#lockstep) {
      this.#kept.push({ clock: clock as number, origin, update });
      this.#forward();
      this.#applyKept();
    } else {
      this.#apply(update);
      this.#barrier.settle(source, settles as number);
    }
    this.#shard.changed();
  }

  #apply(update: Update): void {
    if (update.format === "dense") this.#shard.add(update.values);
    else this.#shard.addSparse(update.indices, update.values);
  }

  /** Passes on what this site is a router for: the own group's to other groups, theirs to the peers. */
  #relay(update: Update, group: number, clock: number, from: string): void {
    const mine = group === this.#place.group;
    if (mine && this.#routes.length === 0) return;
    if (!mine && this.#overlay.router(this.#place.group, group) !== this.#shard.world.node.site)
      return;
    const batch = new Batch(update, this.#shard.values.length);
    if (mine) {
      this.#gather(batch, clock, from);
      return;
    }
    for (const channel of this.#relays(group)) channel.send(batch, clock);
  }

  /**
   * As a router: adds a batch of the own group to what goes to other groups. In lockstep a batch waits for
   * its clock, since a fast peer's next one may come before a slow peer's last.
   */
  #gather(batch: Batch, clock: number, from: string): void {
    if (this.#routes.length === 0) return;
    if (this.#lockstep) this.#gathered.push({ clock, origin: from, batch });
    else for (const { channel } of this.#routes) channel.offer(batch);
  }

  /** Channels to the peers that speak for another group (made when first needed). */
  readonly #relayChannels = new Map<number, readonly Channel[]>();
  #relays(group: number): readonly Channel[] {
    let channels = this.#relayChannels.get(group);
    if (!channels) {
      channels = this.#place.peers.map((site) => this.#channel(site, group));
      this.#relayChannels.set(group, channels);
    }
    return channels;
  }

  #mirrorClock(message: Message, from: NodeId): void {
    const { world } = this.#shard;
    const { group, clock, stamp, path } = message.header as Record<string, number>;
    if (stamp !== undefined) world.network.send(from, ECHO, { stamp, group: group as number });
    const mine = group === this.#place.group;
    const name = mine ? siteOf(from) : groupName(group as number);
    const mirror = this.#clocks.mirror(name);
    if (!mirror) return;
    mirror.clock = Math.max(mirror.clock, clock as number);
    if (mine) this.#forward();
    else this.#passClock(group as number, clock as number, path, siteOf(from));
    this.#shard.changed();
  }

  /** A remote group's clock: kept here, and passed on to the peers by its router. */
  #passClock(group: number, clock: number, behind: number | undefined, from: string): void {
    const { world } = this.#shard;
    const hop = this.#hops.get(from);
    const path = hop === undefined || behind === undefined ? undefined : hop + behind;
    if (path !== undefined) this.#clocks.composed(groupName(group), path);
    if (this.#overlay.router(this.#place.group, group) !== world.node.site) return;
    const header = { group, clock, ...(path === undefined ? {} : { path }), ...this.#stamp(clock) };
    for (const channel of this.#peers) world.network.send(channel.to, CLOCK, header);
  }

  /** Round trip to each node that clocks were sent to. */
  readonly #hops = new Map<string, number>();

  #echo(message: Message, from: NodeId): void {
    const roundTrip = this.#shard.world.clock.now() - (message.header["stamp"] as number);
    const site = siteOf(from);
    this.#hops.set(site, Math.min(this.#hops.get(site) ?? roundTrip, roundTrip));
    this.#clocks.measured(site, roundTrip);
    this.#shard.changed();
  }

  get #origins(): readonly string[] {
    const remote = this.#overlay.groups
      .map((_, group) => group)
      .filter((group) => group !== this.#place.group);
    return [...this.#place.peers, ...remote.map(groupName)];
  }

  #delivered(origin: string): number | undefined {
    return this.#clocks.mirror(origin)?.delivered;
  }

  /** Lockstep: applies the updates of every clock that is complete, in site order. */
  #applyKept(): void {
    const complete = Math.min(this.#clock, this.#clocks.minimum(this.#origins, "delivered"));
    if (complete <= this.#boundary) return;
    this.#boundary = complete;
    const due = this.#kept.filter((kept) => kept.clock <= complete).sort(inOrder);
    this.#kept = this.#kept.filter((kept) => kept.clock > complete);
    for (const { update } of due) this.#apply(update);
    this.#shard.changed();
  }
}
