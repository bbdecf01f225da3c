/** A node's place on the network, its flows to other nodes, and the packets that travel along them. */
import type { Condition } from "../../core/condition.ts";
import type { NodeId } from "../../core/ids.ts";
import type { Bytes, Micros } from "../../core/units.ts";
import type { Crossings } from "../link-meter.ts";
import type { Message } from "../message.ts";
import type { PairTraffic } from "../traffic.ts";
import type { SimulatedNetwork } from "./network.ts";
import type { Wire } from "./wire.ts";

/** One incarnation of a sender: what had not left its uplink when it died is lost. */
export class Life {
  diedAt: Micros = Number.POSITIVE_INFINITY;
  /** A restart keeps it. */
  readonly incarnation: number;

  constructor(incarnation: number) {
    this.incarnation = incarnation;
  }
}

/** Bulk bytes of a flow that have not yet left over the last shared link. */
export class Backlog {
  bytes: Bytes = 0;
  /** Present while somebody waits for it to shrink. */
  shrunk: Condition | undefined;

  /** True when somebody waits for that. */
  shrink(bytes: Bytes): boolean {
    this.bytes -= bytes;
    this.shrunk?.notify();
    return this.shrunk !== undefined;
  }
}

/** Everything from one node to another. */
export interface Flow {
  readonly from: Port;
  readonly to: Port;
  /** The link between two sites; absent inside a site. */
  readonly pipe: Wire<Packet> | undefined;
  readonly oneWayMicros: Micros;
  readonly traffic: PairTraffic;
  /** Of control between the two sites, there and back. */
  readonly crossings: { readonly there: Crossings; readonly back: Crossings };
  backlog: Backlog;
  /** Latest arrivals so far: nothing sent later arrives earlier in the same queue. */
  lastControlArrival: Micros;
  lastBulkArrival: Micros;
}

export interface Port {
  readonly id: NodeId;
  /** Index into the topology's sites. */
  readonly site: number;
  readonly uplink: Wire<Packet>;
  readonly downlink: Wire<Packet>;
  readonly flows: Map<NodeId, Flow>;
  life: Life;
  /** Hands over a message that has arrived; true when a program saw it. */
  receive: (message: Message, from: NodeId, incarnation: number) => boolean;
}

/** What happens to a message on its way; shared by its chunks. */
export interface Fate {
  lost: boolean;
  readonly delay: Micros;
  readonly twice: boolean;
}

/** Where a packet is. */
export type Stage = "uplink" | "pipe" | "flight" | "downlink" | "loopback";

/** A control message, or a chunk of a bulk message: as an event, the end of its present stage. */
export class Packet {
  dead = false;
  readonly ready = true;
  stage: Stage = "uplink";
  /** When a control message was sent, and when it has left the uplink. */
  sent: Micros = 0;
  leaves: Micros = 0;
  readonly network: SimulatedNetwork;
  readonly flow: Flow;
  readonly life: Life;
  readonly message: Message;
  readonly bytes: Bytes;
  /** The message is complete when its last chunk has come. */
  readonly last: boolean;
  readonly fate: Fate;

  constructor(
    network: SimulatedNetwork,
    flow: Flow,
    message: Message,
    bytes: Bytes,
    last: boolean,
    fate: Fate,
  ) {
    this.network = network;
    this.flow = flow;
    this.life = flow.from.life;
    this.message = message;
    this.bytes = bytes;
    this.last = last;
    this.fate = fate;
  }

  get lossy(): boolean {
    return this.message.kind.lossy;
  }

  fire(): boolean {
    return this.network.advance(this);
  }
}
