/**
 * Whom a shard exchanges with, as sites come and go: a channel to each peer of its group; as a router, to the routers of
 * other groups (routes) and, for what comes from them, to the peers (relays). And from whom it takes what comes from another
 * group: its upstream, the one site that speaks for that group here.
 */
import { invariant } from "../../../core/errors.ts";
import type { NodeId, SiteId } from "../../../core/ids.ts";
import type { Micros } from "../../../core/units.ts";
import type { ShardContext } from "../../contract.ts";
import { Channel } from "./channel.ts";
import type { Overlay } from "./overlay.ts";

export interface CircleSetup {
  readonly shard: ShardContext;
  readonly overlay: Overlay;
  readonly barrier: boolean;
  readonly lockstep: boolean;
}

export interface Route {
  readonly group: number;
  readonly channel: Channel;
}

export class Circle {
  /** This site's group. */
  readonly group: number;
  /** To the peers, in the order of the group. */
  peers: readonly Channel[] = [];
  /** What comes from the own group goes there. */
  routes: readonly Route[] = [];
  readonly #setup: CircleSetup;
  readonly #relays = new Map<number, readonly Channel[]>();
  readonly #upstream = new Map<number, SiteId>();

  /** @param joins a joiner begins with nobody. */
  constructor(setup: CircleSetup, joins: boolean) {
    this.#setup = setup;
    const { overlay } = setup;
    this.group = overlay.groupOf.get(this.#here) ?? 0;
    if (joins) return;
    this.peers = this.#mates
      .filter((site) => this.presence(site) !== undefined)
      .map((site) => this.#channel(site, this.group));
    for (const group of this.remote()) {
      const upstream = this.#speaker(group);
      if (upstream === undefined) continue;
      this.#upstream.set(group, upstream);
      if (overlay.groupOf.get(upstream) === this.group) continue;
      this.routes = [...this.routes, { group, channel: this.#channel(upstream, this.group) }];
      const relays = this.peers.map(({ site }) => this.#channel(site as SiteId, group));
      this.#relays.set(group, relays);
    }
  }

  /** The incarnation of this shard's owner at a site; undefined: absent. */
  readonly presence = (site: SiteId): number | undefined => {
    const { members } = this.#setup.shard.world;
    const node = this.node(site);
    return members.present(node) ? members.incarnation(node) : undefined;
  };

  node(site: SiteId): NodeId {
    const { domains, owner } = this.#setup.shard;
    const mirror = domains.find((domain) => domain.id === site)?.owners[owner.shard];
    invariant(mirror, `site ${site} has a mirror of shard ${owner.shard}`);
    return mirror.node.id;
  }

  /** To a site and back: as the network has shown it, else as declared. Lockstep depends on nothing that is measured. */
  roundTrip(site: SiteId): Micros {
    const { overlay, lockstep, shard } = this.#setup;
    const { network } = shard.world;
    const measured = lockstep ? undefined : network.estimate(this.node(site)).roundTripMicros;
    return measured ?? overlay.roundTripMicros(this.#here, site);
  }

  /** Whether it is the name of a site, and not of a group. */
  isSite(name: string): name is SiteId {
    return this.#setup.overlay.groupOf.has(name as SiteId);
  }

  groupOf(site: SiteId): number {
    return this.#setup.overlay.groupOf.get(site) ?? 0;
  }

  /** Other groups in which somebody is. */
  remote(): readonly number[] {
    return this.#setup.overlay.groups.flatMap((sites, group) =>
      group !== this.group && sites.some((site) => this.presence(site) !== undefined)
        ? [group]
        : [],
    );
  }

  /** Mirrors to take a copy from, best first: of the own group, or else of another; the nearest first. */
  givers(): readonly SiteId[] {
    const { overlay } = this.#setup;
    const near = (a: SiteId, b: SiteId): number =>
      this.roundTrip(a) - this.roundTrip(b) || (a < b ? -1 : 1);
    const there = overlay.groups
      .flat()
      .filter((site) => site !== this.#here && this.presence(site) !== undefined);
    const mates = there.filter((site) => this.groupOf(site) === this.group);
    return [...mates.sort(near), ...there.filter((site) => !mates.includes(site)).sort(near)];
  }

  peer(site: string): Channel | undefined {
    return this.peers.find((channel) => channel.site === site);
  }

  /** A new channel to a peer; what waited in an earlier one reaches it another way. */
  open(site: SiteId): Channel {
    this.peer(site)?.close();
    const channel = this.#channel(site, this.group);
    const others = this.peers.filter((other) => other.site !== site);
    const order = (one: Channel): number => this.#mates.indexOf(one.site as SiteId);
    this.peers = [...others, channel].sort((a, b) => order(a) - order(b));
    return channel;
  }

  /** A new channel on which a site of the own group gets what comes from another, or another group what comes from here. */
  attach(site: SiteId, group: number): Channel {
    const channel = this.#channel(site, group);
    const others = <T>(all: readonly T[], of: (one: T) => Channel): T[] =>
      all.filter((one) => {
        if (of(one).site !== site) return true;
        of(one).close();
        return false;
      });
    if (group === this.group) {
      const routes = others(this.routes, (route) => route.channel);
      this.routes = [...routes, { group: this.groupOf(site), channel }];
    } else {
      const relays = others(this.#relays.get(group) ?? [], (relay) => relay);
      this.#relays.set(group, [...relays, channel]);
    }
    return channel;
  }

  relays(group: number): readonly Channel[] {
    return this.#relays.get(group) ?? [];
  }

  /** Whether the site is the one that speaks for another group here. */
  speaks(site: string, group: number): boolean {
    return this.#upstream.get(group) === site;
  }

  /** Forgets a site that has left. */
  leave(site: string): void {
    const stays = (channel: Channel): boolean => {
      if (channel.site === site) channel.close();
      return channel.site !== site;
    };
    this.peers = this.peers.filter(stays);
    this.routes = this.routes.filter(({ channel }) => stays(channel));
    for (const [group, relays] of this.#relays) this.#relays.set(group, relays.filter(stays));
  }

  /** Finds the upstreams anew; answers those that are not who they were. */
  reroute(): readonly {
    readonly group: number;
    readonly before: SiteId | undefined;
    readonly now: SiteId | undefined;
  }[] {
    return this.#setup.overlay.groups.flatMap((_, group) => {
      if (group === this.group) return [];
      const before = this.#upstream.get(group);
      const now = this.#speaker(group);
      if (now === before) return [];
      if (now === undefined) this.#upstream.delete(group);
      else this.#upstream.set(group, now);
      return [{ group, before, now }];
    });
  }

  /** Every channel from here. */
  get channels(): readonly Channel[] {
    const routes = this.routes.map(({ channel }) => channel);
    return [...this.peers, ...routes, ...[...this.#relays.values()].flat()];
  }

  get #here(): SiteId {
    return this.#setup.shard.world.node.site;
  }

  get #mates(): readonly SiteId[] {
    const { groups } = this.#setup.overlay;
    return (groups[this.group] ?? []).filter((site) => site !== this.#here);
  }

  /** Who speaks for a group here: a router of it if this site is one itself, else the own group's router to it. */
  #speaker(group: number): SiteId | undefined {
    const { overlay } = this.#setup;
    if (!this.remote().includes(group)) return undefined;
    const own = overlay.router(this.group, group, this.presence);
    return own === this.#here ? overlay.router(group, this.group, this.presence) : own;
  }

  #channel(site: SiteId, group: number): Channel {
    const { shard, barrier, lockstep } = this.#setup;
    const { world, scope } = shard;
    const length = shard.values.length;
    return new Channel({ world, scope, to: this.node(site), group, length, barrier, lockstep });
  }
}
