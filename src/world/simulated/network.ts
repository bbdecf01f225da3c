/**
 * The modelled network: node uplink, pair pipe (between different sites), latency, node downlink.
 *
 * A bulk message is cut in chunks that pass through these one behind another (cut-through), so a message of n
 * bytes over a link of b bit/s takes 8n/b plus the latency, plus one chunk for each other hop. The pipe of an
 * ordered pair of sites is shared by all their nodes, chunk by chunk in order of arrival.
 *
 * What can go wrong is drawn for each message when it is sent. A lossy kind is lost or comes twice. A reliable
 * kind is sent again as TCP does: a round trip later, and twice as long after each further loss.
 */
import { invariant, PangaeaError } from "../../core/errors.ts";
import type { LinkEvent } from "../../core/events.ts";
import type { NodeId, SiteId } from "../../core/ids.ts";
import type { Random } from "../../core/random.ts";
import type { Bytes, Micros } from "../../core/units.ts";
import type { PathEstimate } from "../contract.ts";
import { Crossings, least, UNMEASURED } from "../link-meter.ts";
import { LinkReport } from "../link-report.ts";
import { bytesOnWire, type Header, type Message, type MessageKind, wireBytes } from "../message.ts";
import type { Topology } from "../topology.ts";
import { Traffic } from "../traffic.ts";
import type { EventLoop } from "./loop.ts";
import { Backlog, type Fate, type Flow, Life, Packet, type Port } from "./port.ts";
import { Wire } from "./wire.ts";

/** A bulk message is cut in chunks of at least this, and at most `CHUNKS` of them. */
const CHUNK_BYTES: Bytes = 64_000;
const CHUNKS = 8;
/** A node's messages to itself do not touch the network. */
const LOOPBACK_MICROS: Micros = 1;
const MOST_RETRANSMISSIONS = 8;
const SAFE: Fate = Object.freeze({ lost: false, delay: 0, twice: false });

export interface NetworkOptions {
  readonly topology: Topology;
  readonly overheadBytes: Bytes;
  readonly jitterMicros: Micros;
  readonly lossRate: number;
  readonly duplicationRate: number;
  readonly recordsMayLeave: (from: SiteId) => boolean;
  readonly random: Random;
}

/** Extra latency between sites for a while; -1 is every site. */
export interface Spike {
  readonly from: number;
  readonly to: number;
  readonly extra: Micros;
}

export class SimulatedNetwork {
  readonly traffic: Traffic;
  readonly #loop: EventLoop;
  readonly #options: NetworkOptions;
  readonly #perilous: boolean;
  readonly #ports = new Map<NodeId, Port>();
  readonly #pipes = new Map<number, Wire<Packet>>();
  readonly #crossings = new Map<number, Crossings>();
  readonly #spikes = new Set<Spike>();

  constructor(loop: EventLoop, options: NetworkOptions) {
    this.#loop = loop;
    this.#options = options;
    this.#perilous = options.jitterMicros + options.lossRate + options.duplicationRate > 0;
    this.traffic = new Traffic(options.topology);
  }

  /** A node's place on the network. */
  attach(id: NodeId, site: number): Port {
    const { bandwidth } = this.#options.topology.node;
    const port: Port = {
      id,
      site,
      uplink: new Wire<Packet>(this.#loop, bandwidth),
      downlink: new Wire<Packet>(this.#loop, bandwidth),
      flows: new Map(),
      life: new Life(0),
      receive: () => false,
    };
    this.#ports.set(id, port);
    return port;
  }

  /** Flow between two nodes; made when it is first needed. */
  flow(from: Port, to: NodeId): Flow {
    return from.flows.get(to) ?? this.#open(from, to);
  }

  send(
    from: Port,
    to: NodeId,
    kind: MessageKind,
    header: Header,
    payload: readonly ArrayBufferView[],
  ): void {
    const flow = this.flow(from, to);
    const message: Message = { kind, header, payload };
    if (flow.to === from) {
      this.#depart(new Packet(this, flow, message, 0, true, SAFE), "loopback", LOOPBACK_MICROS);
      return;
    }
    if (kind.carries === "records" && flow.pipe) this.#checkPolicy(from, flow, kind);
    const bytes = bytesOnWire(wireBytes(message), this.#options.overheadBytes);
    flow.traffic.count(kind, bytes);
    if (kind.queue === "control") this.#sendControl(flow, message, bytes);
    else this.#sendBulk(flow, message, bytes);
  }

  /**
   * Goodput is that of the slowest wire on the way: what each took while it had bulk to send. The round trip is the
   * shortest crossing of late from one site to the other and the shortest back: one clock can tell them apart.
   */
  estimate(from: Port, to: NodeId): PathEstimate {
    const flow = this.flow(from, to);
    if (flow.to === from) return UNMEASURED;
    const there = flow.crossings.there.shortest;
    const back = flow.crossings.back.shortest;
    return {
      goodput: least(
        flow.from.uplink.throughput.goodput,
        flow.pipe?.throughput.goodput,
        flow.to.downlink.throughput.goodput,
      ),
      roundTripMicros: there === undefined || back === undefined ? undefined : there + back,
    };
  }

  /** An event for each ordered pair of sites between which something was measured. */
  reportLinks(emit: (event: LinkEvent) => void): void {
    const report = new LinkReport(this.#options.topology);
    for (const port of this.#ports.values())
      for (const { to, pipe } of port.flows.values())
        if (pipe) report.add(port.site, to.site, this.estimate(port, to.id));
    report.tell(this.#loop.now, emit);
  }

  /** What a node had not yet put on the wire is lost; its flows begin anew. */
  crash(port: Port): void {
    port.life.diedAt = this.#loop.now;
    port.life = new Life(port.life.incarnation);
    port.uplink.clear();
    for (const flow of port.flows.values()) flow.backlog = new Backlog();
  }

  /** A slot that was left is filled again. */
  fill(port: Port, incarnation: number): void {
    port.life = new Life(incarnation);
  }

  /** Cuts both directions between two sites. */
  sever(a: number, b: number): void {
    this.#pipe(a, b).sever();
    this.#pipe(b, a).sever();
  }

  heal(a: number, b: number): void {
    for (const pipe of [this.#pipe(a, b), this.#pipe(b, a)])
      for (const packet of pipe.heal()) this.#enterPipe(packet, pipe);
  }

  addSpike(spike: Spike): void {
    this.#spikes.add(spike);
  }

  removeSpike(spike: Spike): void {
    this.#spikes.delete(spike);
  }

  /** The present stage of a packet is over. True when a program may have something to do. */
  advance(packet: Packet): boolean {
    const { flow, message } = packet;
    const bulk = message.kind.queue === "bulk";
    switch (packet.stage) {
      case "uplink":
        if (bulk ? !flow.from.uplink.left(packet) : packet.life.diedAt < packet.leaves)
          return false;
        if (flow.pipe) return this.#enterPipe(packet, flow.pipe);
        this.#fly(packet, this.#loop.now);
        return this.#leftSharedLink(packet);
      case "pipe":
        if (!flow.pipe!.left(packet)) return false;
        if (flow.pipe!.cut) packet.fate.lost = true;
        this.#fly(packet, this.#loop.now);
        return this.#leftSharedLink(packet);
      case "flight":
        this.#arrive(packet, bulk);
        return false;
      case "downlink":
        if (bulk && !flow.to.downlink.left(packet)) return false;
        if (!bulk) flow.crossings.there.add(this.#loop.now - packet.sent);
        return packet.last && flow.to.receive(message, flow.from.id, packet.life.incarnation);
      case "loopback":
        return (
          packet.life === flow.from.life &&
          flow.to.receive(message, flow.from.id, packet.life.incarnation)
        );
    }
  }

  #sendControl(flow: Flow, message: Message, bytes: Bytes): void {
    const packet = new Packet(this, flow, message, bytes, true, this.#drawFate(flow, message));
    packet.sent = this.#loop.now;
    packet.leaves = flow.from.uplink.control(bytes);
    if (flow.pipe) this.#loop.schedule(packet.leaves, packet);
    else this.#fly(packet, packet.leaves);
  }

  #sendBulk(flow: Flow, message: Message, bytes: Bytes): void {
    const size = Math.max(CHUNK_BYTES, Math.ceil(bytes / CHUNKS));
    const fate = this.#drawFate(flow, message);
    flow.backlog.bytes += bytes;
    for (let sent = 0; sent < bytes; sent += size) {
      const length = Math.min(size, bytes - sent);
      const last = sent + length === bytes;
      flow.from.uplink.bulk(new Packet(this, flow, message, length, last, fate));
    }
  }

  #drawFate(flow: Flow, message: Message): Fate {
    const { lossy } = message.kind;
    if (!this.#perilous) return lossy ? { ...SAFE } : SAFE;
    const { jitterMicros, lossRate, duplicationRate, random } = this.#options;
    let lost = false;
    let delay = flow.pipe && jitterMicros > 0 ? random.integer(jitterMicros + 1) : 0;
    if (lossRate > 0 && random.next() < lossRate) {
      if (lossy) lost = true;
      else {
        let wait = 2 * flow.oneWayMicros;
        delay += wait;
        for (let i = 1; i < MOST_RETRANSMISSIONS && random.next() < lossRate; i++)
          delay += wait *= 2;
      }
    }
    const twice = lossy && duplicationRate > 0 && random.next() < duplicationRate;
    return { lost, delay, twice };
  }

  #enterPipe(packet: Packet, pipe: Wire<Packet>): boolean {
    if (packet.message.kind.queue === "bulk") {
      if (pipe.cut && packet.lossy) {
        packet.fate.lost = true;
        return this.#leftSharedLink(packet);
      }
      packet.stage = "pipe";
      pipe.bulk(packet);
    } else if (!pipe.cut) this.#fly(packet, pipe.control(packet.bytes));
    else if (!packet.lossy) pipe.holdControl(packet);
    return false;
  }

  #leftSharedLink(packet: Packet): boolean {
    const { flow } = packet;
    if (packet.message.kind.queue === "control" || packet.life !== flow.from.life) return false;
    return flow.backlog.shrink(packet.bytes);
  }

  /** Sends a packet on its way through the distance; never before what its queue sent earlier. */
  #fly(packet: Packet, departs: Micros): void {
    if (packet.fate.lost) return;
    const { flow } = packet;
    const arrives = departs + flow.oneWayMicros + packet.fate.delay + this.#spikeOn(flow);
    packet.stage = "flight";
    if (packet.message.kind.queue === "control")
      flow.lastControlArrival = Math.max(arrives, flow.lastControlArrival);
    else flow.lastBulkArrival = Math.max(arrives, flow.lastBulkArrival);
    const bulk = packet.message.kind.queue === "bulk";
    this.#loop.schedule(bulk ? flow.lastBulkArrival : flow.lastControlArrival, packet);
  }

  #arrive(packet: Packet, bulk: boolean): void {
    // Inside a site a control message flies without a stop at the end of the uplink.
    if (!bulk && packet.life.diedAt < packet.leaves) return;
    const { downlink } = packet.flow.to;
    if (packet.fate.twice && packet.last) {
      const again = new Packet(this, packet.flow, packet.message, packet.bytes, true, SAFE);
      again.sent = packet.sent;
      this.#depart(again, "flight", Math.max(1, packet.flow.oneWayMicros));
    }
    packet.stage = "downlink";
    if (bulk) downlink.bulk(packet);
    else this.#loop.schedule(downlink.control(packet.bytes), packet);
  }

  #depart(packet: Packet, stage: Packet["stage"], after: Micros): void {
    packet.stage = stage;
    this.#loop.schedule(this.#loop.now + after, packet);
  }

  #spikeOn(flow: Flow): Micros {
    if (this.#spikes.size === 0 || !flow.pipe) return 0;
    let extra = 0;
    for (const spike of this.#spikes)
      if (
        (spike.from < 0 || spike.from === flow.from.site) &&
        (spike.to < 0 || spike.to === flow.to.site)
      )
        extra += spike.extra;
    return extra;
  }

  #open(from: Port, id: NodeId): Flow {
    const to = this.#ports.get(id);
    invariant(to, `${from.id} sends to ${id}, which is not a node of this run`);
    const far = from.site !== to.site;
    const { topology } = this.#options;
    const flow: Flow = {
      from,
      to,
      pipe: far ? this.#pipe(from.site, to.site) : undefined,
      oneWayMicros: far
        ? topology.link(from.site, to.site).oneWayMicros
        : topology.node.oneWayMicros,
      traffic: this.traffic.pair(from.site, to.site),
      crossings: {
        there: this.#crossing(from.site, to.site),
        back: this.#crossing(to.site, from.site),
      },
      backlog: new Backlog(),
      lastControlArrival: 0,
      lastBulkArrival: 0,
    };
    from.flows.set(id, flow);
    return flow;
  }

  #pipe(from: number, to: number): Wire<Packet> {
    const key = from * this.#options.topology.sites.length + to;
    let pipe = this.#pipes.get(key);
    if (!pipe) {
      pipe = new Wire<Packet>(this.#loop, this.#options.topology.link(from, to).bandwidth);
      this.#pipes.set(key, pipe);
    }
    return pipe;
  }

  #crossing(from: number, to: number): Crossings {
    const key = from * this.#options.topology.sites.length + to;
    let crossings = this.#crossings.get(key);
    if (!crossings) this.#crossings.set(key, (crossings = new Crossings()));
    return crossings;
  }

  #checkPolicy(from: Port, { to, traffic }: Flow, kind: MessageKind): void {
    const { topology, recordsMayLeave } = this.#options;
    const site = topology.sites[from.site]!.id;
    if (recordsMayLeave(site)) return;
    traffic.refuse(kind);
    throw new PangaeaError(
      "RECORDS_STAY",
      `${from.id} may not send "${kind.name}" to ${to.id}: records stay at ${site}`,
      { fix: `if ${site} may give its records away, say so: policy.${site}.records: may-move` },
    );
  }
}
