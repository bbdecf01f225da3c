/**
 * Gaia beside one shard's owner (Hsieh et al., "Gaia: Geo-Distributed Machine Learning Approaching LAN
 * Speeds", NSDI'17). At the end of each clock the significant part of what has accumulated goes to the
 * mirrors; the rest waits until it is significant. Reads wait for announced values (selective barrier) and
 * for mirrors that are too far behind (mirror clock).
 *
 * `staleness: 0` is lockstep: every clock's updates are kept and applied at the clock boundary, in site
 * order, so that a run is repeatable and, with significance 0, equal to one parameter server.
 *
 * How mirrors leave and join is in changes.ts.
 */
import { decodeIndices } from "../../../codec/indices.ts";
import { decodeUpdate, type Update } from "../../../codec/update.ts";
import { invariant } from "../../../core/errors.ts";
import type { NodeId, SiteId } from "../../../core/ids.ts";
import type { Message } from "../../../world/message.ts";
import { type BetweenShard, type PendingRead, type ShardContext, siteOf } from "../../contract.ts";
import { SelectiveBarrier, type Source } from "./barrier.ts";
import { Changes } from "./changes.ts";
import { Batch, type Channel } from "./channel.ts";
import { Circle } from "./circle.ts";
import { groupName, MirrorClocks } from "./clocks.ts";
import type { LiveCopy } from "./handover.ts";
import { CLOCK, ECHO, INDEXES, UPDATE } from "./messages.ts";
import type { GaiaOptions } from "./options.ts";
import type { Overlay } from "./overlay.ts";
import { createThreshold, type Threshold } from "./threshold.ts";
import { addTo, Totals } from "./totals.ts";

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

export class GaiaShard implements BetweenShard {
  readonly shard: ShardContext;
  readonly circle: Circle;
  readonly clocks: MirrorClocks;
  readonly barrier = new SelectiveBarrier();
  readonly totals: Totals;
  readonly lockstep: boolean;
  /** Joiners enter at the clock boundary at which their copy was cut, and nobody goes on before that without them. */
  readonly exact: boolean;
  readonly #options: GaiaOptions;
  readonly #threshold: Threshold;
  readonly #accumulated: Float32Array;
  readonly #scratch: Uint32Array;
  readonly #changes: Changes;
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
    this.shard = shard;
    this.#options = options;
    this.lockstep = options.staleness === 0;
    this.exact = this.lockstep && shard.bulkSynchronous;
    const { world, training } = shard;
    const joins = world.members.incarnation(world.node.id) > 0;
    const { barrier } = options;
    this.circle = new Circle({ shard, overlay, barrier, lockstep: this.lockstep }, joins);
    this.#threshold = createThreshold(options, training.optimizer.schedule);
    const names = joins ? [] : this.#origins;
    const { circle } = this;
    this.clocks = new MirrorClocks(names, options.staleness, (name) =>
      circle.isSite(name) ? circle.roundTrip(name) : undefined,
    );
    const { length } = shard.values;
    this.totals = new Totals(overlay.groups.length, length, world.kernels);
    this.#accumulated = world.kernels.allocate(length);
    this.#scratch = new Uint32Array(length);
    world.network.handle(UPDATE, (message, from) => this.receive(message, from));
    world.network.handle(INDEXES, (message, from) => this.receive(message, from));
    world.network.handle(CLOCK, (message, from) => this.#mirrorClock(message, from));
    world.network.handle(ECHO, (message, from) => this.#echo(message, from));
    this.#changes = new Changes(this, joins);
  }

  get joining(): boolean {
    return this.#changes.joining;
  }

  /** Clocks that this shard has finished. */
  get clock(): number {
    return this.#clock;
  }

  /** Lockstep: clocks whose remote updates are in the values. */
  get boundary(): number {
    return this.#boundary;
  }

  /** Clocks of the own group that other groups have been told of. */
  get forwarded(): number {
    return this.#forwarded;
  }

  applied(delta: Float32Array, indices?: Uint32Array): void {
    const { kernels } = this.shard.world;
    if (this.#samples) this.#sample(delta, indices);
    if (indices) kernels.scatterAdd(this.#accumulated, indices, delta);
    else kernels.add(this.#accumulated, delta);
  }

  afterClock(clock: number): void {
    this.#clock = clock;
    const { world } = this.shard;
    this.clocks.tick(world.clock.now());
    const batch = this.#significant(clock);
    for (const channel of this.circle.peers) channel.send(batch, clock);
    this.totals.add(this.circle.group, { format: "sparse", ...batch.sparse });
    this.#gather(batch, clock, world.node.site);
    const header = { group: this.circle.group, clock, path: 0, ...this.#stamp(clock) };
    for (const channel of this.circle.peers) world.network.send(channel.to, CLOCK, header);
    this.#forward();
    if (this.lockstep) this.applyKept();
  }

  admit(): number {
    return this.barrier.ticket;
  }

  ready(read: PendingRead): boolean {
    if (this.lockstep) return this.#boundary >= read.clock;
    return (
      this.clocks.tooSlow(this.#clock).length === 0 &&
      this.barrier.blockers(read.ticket, read.indices).length === 0
    );
  }

  waitingFor(read: PendingRead): readonly string[] {
    if (this.lockstep) {
      return this.#origins.filter((name) => (this.#delivered(name) ?? 0) < read.clock);
    }
    return [
      ...this.clocks.tooSlow(this.#clock),
      ...this.barrier.blockers(read.ticket, read.indices),
    ];
  }

  /** What has been made here and not yet been handed to a channel: for the books. */
  get residual(): Float32Array {
    return this.#accumulated;
  }

  /** Every channel from here: for the books. */
  get channels(): readonly Channel[] {
    return this.circle.channels;
  }

  /**
   * What a joiner gets: the values without what will still be sent from here, and what came from each group. An exact copy
   * leaves out what waits for its clock boundary.
   */
  copy(exact: boolean): LiveCopy {
    const residual = this.#accumulated;
    const values = this.shard.values.map((value, i) => value - (residual[i] as number));
    const totals = this.totals.all();
    const { kernels } = this.shard.world;
    for (const { origin, update } of this.#kept) {
      const total = totals[this.#groupOf(origin)];
      if (!exact) addTo(values, update, kernels);
      else if (total) addTo(total, negative(update), kernels);
    }
    return { values, totals, own: this.#clock };
  }

  /** The live copy is here: everything of the first `clock` clocks is in it. */
  enter(clock: number, { values, totals }: Omit<LiveCopy, "own">): void {
    this.#clock = clock;
    this.#boundary = clock;
    this.#forwarded = clock;
    if (totals.length > 0) this.totals.replace(totals);
    this.shard.enter(clock, values);
  }

  /** As a router that has just begun: what other groups are sent first holds all that is here. */
  beginForwarding(): void {
    if (this.circle.routes.length > 0) return;
    const of = this.lockstep ? "delivered" : "clock";
    this.#forwarded = Math.min(this.#clock, this.clocks.minimum(this.#mates, of));
    this.#gathered = [];
  }

  /** Lockstep, as a router: what was gathered for clocks that are not forwarded yet. */
  get ungathered(): readonly Update[] {
    return this.#gathered.map(({ batch }) => ({ format: "sparse", ...batch.sparse }));
  }

  /**
   * Nothing more comes from a site, or from a group by its way. Of what came, the clocks that are not complete in lockstep
   * are taken back.
   */
  forget(site: string, group: number | undefined): void {
    this.barrier.forget({ site, group });
    this.#early = this.#early.filter(
      ({ message, from }) =>
        siteOf(from) !== site || (group !== undefined && message.header["group"] !== group),
    );
    if (group !== undefined) return;
    for (const { origin, update } of this.#kept)
      if (origin === site) this.totals.remove(this.circle.group, update);
    this.#kept = this.#kept.filter(({ origin }) => origin !== site);
    if (this.lockstep) this.#gathered = this.#gathered.filter(({ origin }) => origin !== site);
  }

  /** Updates or their indexes. */
  receive(message: Message, from: NodeId): void {
    if (message.kind.name === INDEXES.name) this.#indexes(message, from);
    else this.#update(message, from);
  }

  /** Whom it waited for may have left, or whom it now waits for may have come. */
  resume(): void {
    this.#forward();
    if (this.lockstep) this.applyKept();
    this.shard.changed();
  }

  /** Takes what is significant out of the accumulated updates. */
  #significant(clock: number): Batch {
    const { world, values } = this.shard;
    const { kernels } = world;
    const sentBytes = [
      ...this.circle.peers,
      ...this.circle.routes.map((route) => route.channel),
    ].reduce((sum, channel) => sum + channel.sentBytes, 0);
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
    const { world } = this.shard;
    world.emit({ type: "metric", t: world.clock.now(), name, value, site: world.node.site });
  }

  get #samples(): boolean {
    return this.#clock % SAMPLE_EVERY === 0;
  }

  /** The share of single updates that move their parameter by at most 1 %. */
  #sample(delta: Float32Array, indices: Uint32Array | undefined): void {
    const { world, values } = this.shard;
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
    return clock % ECHO_EVERY === 1 ? { stamp: this.shard.world.clock.now() } : {};
  }

  /** As a router: sends the own group's progress, and what it has gathered, to the other groups. */
  #forward(): void {
    if (this.circle.routes.length === 0) return;
    const { world } = this.shard;
    const of = this.lockstep ? "delivered" : "clock";
    const clock = Math.min(this.#clock, this.clocks.minimum(this.#mates, of));
    while (this.#forwarded < clock) {
      this.#forwarded++;
      const due = this.#gathered.filter((kept) => kept.clock <= this.#forwarded).sort(inOrder);
      this.#gathered = this.#gathered.filter((kept) => kept.clock > this.#forwarded);
      for (const { batch } of due)
        for (const { channel } of this.circle.routes) channel.offer(batch);
      const path = this.#groupRoundTrip();
      const header = {
        group: this.circle.group,
        clock: this.#forwarded,
        ...(path === undefined ? {} : { path }),
        ...this.#stamp(this.#forwarded),
      };
      for (const { channel } of this.circle.routes) {
        channel.release(this.#forwarded);
        world.network.send(channel.to, CLOCK, header);
      }
    }
  }

  /** The longest round trip to a peer, once all are known: what a remote group must add to its own. */
  #groupRoundTrip(): number | undefined {
    let longest = 0;
    for (const site of this.#mates) {
      const mirror = this.clocks.mirror(site);
      const roundTrip = mirror && this.clocks.roundTrip(mirror);
      if (roundTrip === undefined) return undefined;
      longest = Math.max(longest, roundTrip);
    }
    return longest;
  }

  #indexes(message: Message, from: NodeId): void {
    const indices = decodeIndices(message.payload[0] as Uint8Array, this.shard.values.length);
    const { group, sequence } = message.header as Record<string, number>;
    const source = { site: siteOf(from), group: group as number };
    if (!this.#changes.takes(source, "control") || this.#changes.holds(message, from)) return;
    this.barrier.announce(source, sequence as number, indices);
    const early = this.#early;
    this.#early = [];
    for (const held of early) this.#update(held.message, held.from);
  }

  #update(message: Message, from: NodeId): void {
    const site = siteOf(from);
    const { group, clock, settles, format } = message.header as Record<string, number> & {
      format: string;
    };
    const source: Source = { site, group: group as number };
    if (!this.#changes.takes(source, "bulk") || this.#changes.holds(message, from)) return;
    const length = this.shard.values.length;
    // Batches of one sender are taken in order: what comes after an early one waits with it.
    const waits = this.#early.some((held) => held.from === from);
    if (waits || (format === "announced" && !this.barrier.knows(source, settles as number))) {
      this.#early.push({ message, from });
      return;
    }
    let update: Update;
    if (format === "announced") {
      const indices = this.barrier.pending(source, settles as number);
      const values = message.payload[0] as Float32Array;
      invariant(indices.length === values.length, "a value for every announced index");
      update = { format: "sparse", indices, values };
    } else {
      update = decodeUpdate(format, message.payload, length);
    }
    this.#take(update, source, clock as number, settles as number);
  }

  #take(update: Update, source: Source, clock: number, settles: number): void {
    const { site, group } = source;
    const origin = group === this.circle.group ? site : groupName(group);
    const known = this.#changes.inCopy(source, clock);
    if (!known) {
      this.totals.add(group, update);
      this.#relay(update, group, clock, site);
    }
    const mirror = this.clocks.mirror(origin);
    if (mirror) mirror.delivered = Math.max(mirror.delivered, clock);
    this.#changes.came(source, update);
    if (this.lockstep) {
      if (!known) this.#kept.push({ clock, origin, update });
      this.#forward();
      this.applyKept();
    } else {
      this.#apply(update);
      this.barrier.settle(source, settles);
    }
    this.shard.changed();
  }

  #apply(update: Update): void {
    if (update.format === "dense") this.shard.add(update.values);
    else this.shard.addSparse(update.indices, update.values);
  }

  /** Passes on what this site is a router for: the own group's to other groups, theirs to the peers. */
  #relay(update: Update, group: number, clock: number, from: string): void {
    const batch = new Batch(update, this.shard.values.length);
    if (group === this.circle.group) this.#gather(batch, clock, from);
    else for (const channel of this.circle.relays(group)) channel.send(batch, clock);
  }

  /**
   * As a router: adds a batch of the own group to what goes to other groups. In lockstep a batch waits for
   * its clock, since a fast peer's next one may come before a slow peer's last.
   */
  #gather(batch: Batch, clock: number, from: string): void {
    if (this.circle.routes.length === 0) return;
    if (this.lockstep) this.#gathered.push({ clock, origin: from, batch });
    else for (const { channel } of this.circle.routes) channel.offer(batch);
  }

  #mirrorClock(message: Message, from: NodeId): void {
    const { world } = this.shard;
    const { group, clock, stamp, path } = message.header as Record<string, number>;
    if (stamp !== undefined) world.network.send(from, ECHO, { stamp, group: group as number });
    const mine = group === this.circle.group;
    const site = siteOf(from);
    if (!this.#changes.takes({ site, group: group as number }, "control")) return;
    const name = mine ? site : groupName(group as number);
    // A group in which nobody was is back.
    const mirror = this.clocks.mirror(name) ?? (mine ? undefined : this.clocks.enter(name, 0));
    if (!mirror) return;
    mirror.clock = Math.max(mirror.clock, clock as number);
    if (mine) this.#forward();
    else this.#passClock(group as number, clock as number, path, site as SiteId);
    this.shard.changed();
  }

  /** A remote group's clock: kept here, and passed on to the peers by its router. */
  #passClock(group: number, clock: number, behind: number | undefined, from: SiteId): void {
    const { world } = this.shard;
    const hop = this.#hops.get(from) ?? this.circle.roundTrip(from);
    const path = behind === undefined ? undefined : hop + behind;
    if (path !== undefined) this.clocks.composed(groupName(group), path);
    const relays = this.circle.relays(group);
    if (relays.length === 0) return;
    const header = { group, clock, ...(path === undefined ? {} : { path }), ...this.#stamp(clock) };
    for (const channel of relays) world.network.send(channel.to, CLOCK, header);
  }

  /** Round trip to each node that clocks were sent to. */
  readonly #hops = new Map<string, number>();

  #echo(message: Message, from: NodeId): void {
    const roundTrip = this.shard.world.clock.now() - (message.header["stamp"] as number);
    const site = siteOf(from);
    this.#hops.set(site, Math.min(this.#hops.get(site) ?? roundTrip, roundTrip));
    this.clocks.measured(site, roundTrip);
    this.shard.changed();
  }

  get #mates(): readonly string[] {
    return this.circle.peers.map(({ site }) => site);
  }

  get #origins(): readonly string[] {
    return [...this.#mates, ...this.circle.remote().map(groupName)];
  }

  #groupOf(origin: string): number {
    return this.#mates.includes(origin) ? this.circle.group : Number(origin.split(" ")[1]);
  }

  #delivered(origin: string): number | undefined {
    return this.clocks.mirror(origin)?.delivered;
  }

  /** Lockstep: applies the updates of every clock that is complete, in site order. */
  applyKept(): void {
    const complete = Math.min(this.#clock, this.clocks.minimum(this.#origins, "delivered"));
    // What comes late, from a site that found another way here, does not wait for the next boundary.
    this.#applyDue();
    if (complete <= this.#boundary) return;
    while (this.#boundary < complete) {
      this.#boundary++;
      this.#applyDue();
      this.#changes.atBoundary();
    }
    this.shard.changed();
  }

  #applyDue(): void {
    const due = this.#kept.filter((kept) => kept.clock <= this.#boundary);
    if (due.length === 0) return;
    this.#kept = this.#kept.filter((kept) => kept.clock > this.#boundary);
    for (const { update } of due.sort(inOrder)) this.#apply(update);
  }
}

const negative = (update: Update): Update => ({
  ...update,
  values: update.values.map((value) => -value),
});
