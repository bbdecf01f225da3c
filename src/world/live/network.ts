/**
 * The network of one host: messages between its own nodes are handed over in its next turn, messages to nodes of
 * other hosts go over connections. Those between sites first pass the shaped link of their ordered pair, here at
 * the sender. Bytes are counted when they are sent, by the same rule as in the simulated world; what a policy
 * forbids is refused here, and refused again by the receiving host.
 */
import type { Condition } from "../../core/condition.ts";
import { invariant, PangaeaError } from "../../core/errors.ts";
import type { LinkEvent } from "../../core/events.ts";
import type { NodeId, SiteId } from "../../core/ids.ts";
import type { Random } from "../../core/random.ts";
import type { Scope } from "../../core/scope.ts";
import type { Bytes, Micros } from "../../core/units.ts";
import type { PathEstimate } from "../contract.ts";
import { Fifo } from "../fifo.ts";
import { least, UNMEASURED } from "../link-meter.ts";
import { LinkReport } from "../link-report.ts";
import { bytesOnWire, type Header, type MessageKind, wireBytes } from "../message.ts";
import type { Topology } from "../topology.ts";
import { type PairTraffic, Traffic } from "../traffic.ts";
import type { Connection, Parcel } from "../wire/contract.ts";
import { Backlog, Outbox } from "./outbox.ts";
import { ShapedLink } from "./shaping.ts";
import { nextTurn } from "./turn.ts";

/** Where a node runs. */
export interface Place {
  readonly host: number;
  /** Index into the topology's sites. */
  readonly site: number;
}

export interface LocalNetworkOptions {
  readonly topology: Topology;
  /** This host. */
  readonly host: number;
  /** Every node of the run. */
  readonly places: ReadonlyMap<NodeId, Place>;
  /** To every other host. */
  readonly connections: ReadonlyMap<number, Connection>;
  /** Whether links between sites are slowed to their description. */
  readonly shaped: boolean;
  readonly jitterMicros: Micros;
  readonly lossRate: number;
  readonly duplicationRate: number;
  readonly recordsMayLeave: (site: SiteId) => boolean;
  readonly random: Random;
}

/** A node of this host, as messages reach it. */
export interface Receiver {
  receive(parcel: Parcel): void;
}

interface Flow {
  readonly from: Place;
  readonly to: Place;
  readonly traffic: PairTraffic;
  readonly backlog: Backlog;
  /** Of what has left the shaped link, whose shape includes the real one behind it; the backlog where there is none. */
  readonly behind: Backlog;
  readonly link: ShapedLink | undefined;
  readonly outbox: Outbox | undefined;
}

export class LocalNetwork {
  readonly #options: LocalNetworkOptions;
  readonly #traffic: Traffic;
  readonly #receivers = new Map<NodeId, Receiver>();
  readonly #flows = new Map<string, Flow>();
  readonly #links = new Map<string, ShapedLink>();
  readonly #outboxes = new Map<number, Outbox>();
  readonly #connections = new Map<number, Connection>();
  readonly #inbox: Inbox;
  readonly #onFailure: (error: PangaeaError) => void;
  readonly #scope: Scope;
  readonly #present: (node: NodeId) => boolean;

  /**
   * @param onFailure told of parcels that no honest host sends, and of connections that refuse to carry.
   * @param present whether a node takes part now: to one that does not, nothing is sent.
   */
  constructor(
    options: LocalNetworkOptions,
    scope: Scope,
    onFailure: (error: PangaeaError) => void,
    present: (node: NodeId) => boolean = () => true,
  ) {
    this.#options = options;
    this.#scope = scope;
    this.#present = present;
    this.#traffic = new Traffic(options.topology);
    this.#inbox = new Inbox((parcel) => this.#receivers.get(parcel.to)?.receive(parcel));
    this.#onFailure = onFailure;
    for (const [host, connection] of options.connections) this.#join(host, connection);
  }

  /** Takes what comes from other hosts, what has come before first. All nodes of this host are attached. */
  open(): void {
    for (const [host, connection] of this.#options.connections) this.#listen(host, connection);
  }

  /** A host that joins when the network is open. */
  connect(host: number, connection: Connection): void {
    if (this.#connections.get(host) === connection) return;
    this.disconnect(host);
    this.#join(host, connection);
    this.#listen(host, connection);
  }

  /** Forgets the way to a host that has left, and what waits for it. */
  disconnect(host: number): void {
    this.#outboxes.delete(host);
    this.#connections.delete(host);
    for (const [key, { from, to }] of this.#flows)
      if (from.host === host || to.host === host) this.#flows.delete(key);
  }

  #join(host: number, connection: Connection): void {
    const onBroken = (error: unknown): void =>
      this.#onFailure(
        error instanceof PangaeaError ? error : new PangaeaError("HOST_FAILED", String(error)),
      );
    this.#outboxes.set(host, new Outbox(connection, this.#scope, onBroken));
    this.#connections.set(host, connection);
  }

  /** What still comes over a connection that was forgotten is dropped. */
  #listen(host: number, connection: Connection): void {
    connection.receive((parcel) => {
      if (this.#connections.get(host) === connection) this.#arrived(parcel, host);
    });
  }

  attach(id: NodeId, receiver: Receiver): void {
    this.#receivers.set(id, receiver);
  }

  get traffic(): Traffic {
    return this.#traffic;
  }

  send(
    from: NodeId,
    to: NodeId,
    kind: MessageKind,
    header: Header,
    payload: readonly ArrayBufferView[],
  ): void {
    const { name, queue } = kind;
    const parcel: Parcel = { from, to, kind: name, queue, header, payload };
    if (from === to) {
      this.#inbox.push(parcel);
      return;
    }
    if (!this.#present(to)) return;
    const flow = this.#flow(from, to);
    if (kind.carries === "records") this.checkPolicy(from, to, kind);
    const bytes = bytesOnWire(wireBytes({ kind, header, payload }));
    flow.traffic.count(kind, bytes);
    if (!flow.link) {
      this.#forward(flow, parcel, bytes);
      return;
    }
    if (queue === "bulk") flow.backlog.grow(bytes);
    flow.link.send({
      bytes,
      queue,
      lossy: kind.lossy,
      left: () => flow.backlog.shrink(bytes),
      arrive: () => this.#forward(flow, parcel, bytes),
    });
  }

  backlog(from: NodeId, to: NodeId): Bytes {
    return from === to || !this.#present(to) ? 0 : this.#flow(from, to).backlog.bytes;
  }

  async drained(
    from: NodeId,
    to: NodeId,
    bytes: Bytes,
    { scope, condition }: { readonly scope: Scope; readonly condition: () => Condition },
  ): Promise<void> {
    if (this.backlog(from, to) <= bytes) return;
    const { backlog } = this.#flow(from, to);
    backlog.shrunk ??= condition();
    const what = `its queue to ${to} to drain to ${bytes} bytes`;
    await backlog.shrunk.until(() => backlog.bytes <= bytes, { what, whom: () => [to] }, scope);
  }

  /**
   * Over a shaped link: what the shaping let through, unless the connection behind it was full and slower; its delays
   * there and back are certain, and the connection's round trip is added. Else what the connection has measured, over all
   * its streams, or through the relay. Nodes of one host measure shaping only.
   */
  estimate(from: NodeId, to: NodeId): PathEstimate {
    const { host } = this.#place(to);
    const joined = host === this.#options.host || this.#connections.has(host);
    if (from === to || !joined || !this.#present(to)) return UNMEASURED;
    return this.#measured(this.#flow(from, to));
  }

  /** What this host has measured of links to other sites. */
  reportLinks(t: Micros, emit: (event: LinkEvent) => void): void {
    const report = new LinkReport(this.#options.topology);
    for (const flow of this.#flows.values())
      report.add(flow.from.site, flow.to.site, this.#measured(flow));
    report.tell(t, emit);
  }

  /** @throws RECORDS_STAY where the policy of the sender's site keeps them and the receiver's is another. */
  checkPolicy(from: NodeId, to: NodeId, kind: MessageKind): void {
    const { topology, recordsMayLeave } = this.#options;
    const [here, there] = [this.#place(from).site, this.#place(to).site];
    const site = topology.sites[here]!.id;
    if (here === there || recordsMayLeave(site)) return;
    this.#traffic.pair(here, there).refuse(kind);
    throw new PangaeaError(
      "RECORDS_STAY",
      `${from} may not send "${kind.name}" to ${to}: records stay at ${site}`,
      { fix: `if ${site} may give its records away, say so: policy.${site}.records: may-move` },
    );
  }

  close(): void {
    for (const link of this.#links.values()) link.close();
    this.#inbox.close();
  }

  #measured({ from, to, link }: Flow): PathEstimate {
    const wire = this.#connections.get(to.host)?.estimate();
    const real = wire?.goodput || undefined;
    const trip = wire?.roundTripMicros || undefined;
    if (!link) return { goodput: real, roundTripMicros: trip };
    const { topology } = this.#options;
    const there = topology.link(from.site, to.site).oneWayMicros;
    const back = topology.link(to.site, from.site).oneWayMicros;
    const unknown = wire !== undefined && trip === undefined;
    return {
      goodput: link.throughput.goodput && least(link.throughput.goodput, real),
      roundTripMicros: unknown ? undefined : there + back + (trip ?? 0),
    };
  }

  #forward(flow: Flow, parcel: Parcel, bytes: Bytes): void {
    if (flow.outbox) {
      flow.outbox.send({ parcel, bytes, backlog: flow.behind });
      return;
    }
    if (parcel.queue === "control") {
      this.#inbox.push(parcel);
      return;
    }
    flow.behind.grow(bytes);
    this.#inbox.push(parcel, () => flow.behind.shrink(bytes));
  }

  /** From another host: it speaks for its own nodes only, and to those that stand here. */
  #arrived(parcel: Parcel, host: number): void {
    const sender = this.#options.places.get(parcel.from);
    const here = this.#options.places.get(parcel.to)?.host === this.#options.host;
    if (sender?.host === host && here) {
      this.#receivers.get(parcel.to)?.receive(parcel);
      return;
    }
    const what = `"${parcel.kind}" from ${parcel.from} to ${parcel.to} over the connection of host ${host}`;
    this.#onFailure(new PangaeaError("WRONG_SENDER", `refused ${what}`));
  }

  #place(id: NodeId): Place {
    const place = this.#options.places.get(id);
    invariant(place, `${id} is not a node of this run`);
    return place;
  }

  #flow(fromId: NodeId, toId: NodeId): Flow {
    const key = `${fromId} ${toId}`;
    let flow = this.#flows.get(key);
    if (!flow) {
      const [from, to] = [this.#place(fromId), this.#place(toId)];
      const link = this.#link(from.site, to.site);
      const backlog = new Backlog();
      flow = {
        from,
        to,
        traffic: this.#traffic.pair(from.site, to.site),
        backlog,
        behind: link ? new Backlog() : backlog,
        link,
        outbox: to.host === this.#options.host ? undefined : this.#outbox(to.host),
      };
      this.#flows.set(key, flow);
    }
    return flow;
  }

  #outbox(host: number): Outbox {
    const outbox = this.#outboxes.get(host);
    invariant(outbox, `host ${this.#options.host} is joined to host ${host}`);
    return outbox;
  }

  /** Links of one local network are as fast as this machine. */
  #link(from: number, to: number): ShapedLink | undefined {
    const { topology, shaped, random, jitterMicros, lossRate, duplicationRate } = this.#options;
    if (from === to || !shaped) return undefined;
    const { bandwidth, oneWayMicros, wan } = topology.link(from, to);
    if (!wan) return undefined;
    const key = `${topology.sites[from]!.id} ${topology.sites[to]!.id}`;
    let link = this.#links.get(key);
    if (!link) {
      const shape = { bandwidth, oneWayMicros, jitterMicros, lossRate, duplicationRate };
      link = new ShapedLink(shape, random.stream(key));
      this.#links.set(key, link);
    }
    return link;
  }
}

/** Messages between nodes of this host: delivered in the next turn of its event loop, control first. */
class Inbox {
  readonly #deliver: (parcel: Parcel) => void;
  readonly #control = new Fifo<Parcel>();
  readonly #bulk = new Fifo<{ readonly parcel: Parcel; readonly left: () => void }>();
  #due = false;
  #closed = false;

  constructor(deliver: (parcel: Parcel) => void) {
    this.#deliver = deliver;
  }

  push(parcel: Parcel, left: () => void = () => {}): void {
    if (parcel.queue === "control") this.#control.push(parcel);
    else this.#bulk.push({ parcel, left });
    if (this.#due) return;
    this.#due = true;
    nextTurn(() => this.#turn());
  }

  close(): void {
    this.#closed = true;
    this.#control.clear();
    this.#bulk.clear();
  }

  /** What is there now; what its handlers send comes in the next turn. */
  #turn(): void {
    this.#due = false;
    if (this.#closed) return;
    for (let count = this.#control.length; count > 0; count--)
      this.#deliver(this.#control.shift()!);
    for (let count = this.#bulk.length; count > 0; count--) {
      const { parcel, left } = this.#bulk.shift()!;
      left();
      this.#deliver(parcel);
    }
  }
}
