/** The one place where bytes are counted: by ordered pair of sites and message kind, when they are sent. */
import type { TrafficEvent } from "../core/events.ts";
import type { SiteId } from "../core/ids.ts";
import type { Bytes, Micros } from "../core/units.ts";
import type { MessageKind } from "./message.ts";
import type { Topology } from "./topology.ts";

export interface TrafficTotal {
  readonly from: SiteId;
  readonly to: SiteId;
  readonly kind: string;
  readonly bytes: Bytes;
  readonly messages: number;
}

class Counter {
  bytes: Bytes = 0;
  messages = 0;
  refused = 0;
  reportedBytes: Bytes = 0;
  reportedMessages = 0;
  reportedRefused = 0;
  readonly from: number;
  readonly to: number;
  readonly kind: MessageKind;

  constructor(from: number, to: number, kind: MessageKind) {
    this.from = from;
    this.to = to;
    this.kind = kind;
  }
}

/** Counters of one ordered pair of sites. */
export class PairTraffic {
  readonly #counters = new Map<string, Counter>();
  readonly #create: (kind: MessageKind) => Counter;

  constructor(create: (kind: MessageKind) => Counter) {
    this.#create = create;
  }

  count(kind: MessageKind, bytes: Bytes): void {
    const counter = this.#counter(kind);
    counter.bytes += bytes;
    counter.messages++;
  }

  /** A message that the policy did not let go. */
  refuse(kind: MessageKind): void {
    this.#counter(kind).refused++;
  }

  #counter(kind: MessageKind): Counter {
    let counter = this.#counters.get(kind.name);
    if (!counter) {
      counter = this.#create(kind);
      this.#counters.set(kind.name, counter);
    }
    return counter;
  }
}

export class Traffic {
  readonly #topology: Topology;
  readonly #pairs = new Map<number, PairTraffic>();
  readonly #counters: Counter[] = [];
  #sorted = true;

  constructor(topology: Topology) {
    this.#topology = topology;
  }

  /** Counters of a pair of sites, given by their index in the topology. */
  pair(from: number, to: number): PairTraffic {
    const key = from * this.#topology.sites.length + to;
    let pair = this.#pairs.get(key);
    if (!pair) {
      pair = new PairTraffic((kind) => {
        const counter = new Counter(from, to, kind);
        this.#counters.push(counter);
        this.#sorted = false;
        return counter;
      });
      this.#pairs.set(key, pair);
    }
    return pair;
  }

  /** Everything since the start, by (from, to, kind). */
  totals(): readonly TrafficTotal[] {
    const sent = this.#ordered().filter(({ messages }) => messages > 0);
    return sent.map(({ from, to, kind, bytes, messages }) => ({
      from: this.#site(from),
      to: this.#site(to),
      kind: kind.name,
      bytes,
      messages,
    }));
  }

  /** An event for each counter that moved since the last flush, by (from, to, kind). */
  flush(t: Micros, emit: (event: TrafficEvent) => void): void {
    for (const counter of this.#ordered()) {
      const refused = counter.refused - counter.reportedRefused;
      if (counter.messages === counter.reportedMessages && refused === 0) continue;
      const { from, to, kind } = counter;
      const bytes = counter.bytes - counter.reportedBytes;
      const link = from === to ? undefined : this.#topology.link(from, to);
      emit({
        t,
        type: "traffic",
        from: this.#site(from),
        to: this.#site(to),
        kind: kind.name,
        carries: kind.carries,
        bytes,
        messages: counter.messages - counter.reportedMessages,
        ...(refused > 0 ? { refused } : {}),
        wan: link?.wan ?? false,
        dollars: (bytes / 1e9) * (link?.egressDollarsPerGB ?? 0),
      });
      counter.reportedBytes = counter.bytes;
      counter.reportedMessages = counter.messages;
      counter.reportedRefused = counter.refused;
    }
  }

  #site(index: number): SiteId {
    return this.#topology.sites[index]!.id;
  }

  #ordered(): readonly Counter[] {
    if (!this.#sorted) {
      this.#counters.sort(
        (a, b) =>
          a.from - b.from ||
          a.to - b.to ||
          (a.kind.name < b.kind.name ? -1 : a.kind.name > b.kind.name ? 1 : 0),
      );
      this.#sorted = true;
    }
    return this.#counters;
  }
}
