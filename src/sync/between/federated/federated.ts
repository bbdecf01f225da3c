/**
 * Federated averaging (McMahan et al., "Communication-Efficient Learning of Deep Networks from
 * Decentralized Data", AISTATS'17). A site's workers agree `within`; the site is one client. A round: the
 * coordinator picks max(C*K, 1) sites, each trains `localEpochs` passes over its own data from the global
 * model, and the new global model is the average, weighted by examples, taken in site order.
 *
 * The model is averaged shard by shard: beside each of a site's shard owners runs a client of that shard,
 * and one coordinator program a shard stands at the coordinating site.
 */
import type { NodeId } from "../../../core/ids.ts";
import { nodeId } from "../../../core/ids.ts";
import type { NodeInfo } from "../../../world/contract.ts";
import type { Between, BetweenShard, ShardContext } from "../../contract.ts";
import { cut, domainPerSite } from "../../domains.ts";
import { bestConnected } from "../../network.ts";
import { clocksPerRound } from "./clients.ts";
import { coordinator } from "./coordinator.ts";
import { RESULT, ROUND } from "./messages.ts";
import type { FederatedOptions } from "./options.ts";
import { federatedStreams } from "./stream.ts";

export function federated(options: FederatedOptions): Between {
  return {
    deploy(request) {
      const { sites, training } = request;
      const domains = domainPerSite(sites, training.learner.layout.length, "own");
      const center = sites.find(({ id }) => id === options.coordinator) ?? bestConnected(request);
      const shards = domains[0]?.owners.length ?? 0;
      const nodeOf = (shard: number): NodeInfo => ({
        id: nodeId(center.id, "coordinator", shard),
        site: center.id,
        role: "coordinator",
        index: shard,
      });
      const ranges = cut(training.learner.layout.length, shards);
      const coordinators = ranges.map((_, shard) => nodeOf(shard).id);
      const extra = ranges.map((range, shard) => {
        const setup = { options, request, domains, range, shard, coordinators };
        return { node: nodeOf(shard), program: coordinator(setup) };
      });
      // Rounds end the run, not a worker's count of clocks: sites differ in clocks a round.
      return { domains, extra, judged: "extra", maxClocks: Number.POSITIVE_INFINITY };
    },
    open: (shard) => new Client(shard, options),
    fence: (domain, clock, training) =>
      clock % clocksPerRound(domain, options.localEpochs, training.batch) === 0,
    stream: (request) => federatedStreams(options, request),
  };
}

/** A site's side of one shard: reads are open only while a round's local training lasts. */
class Client implements BetweenShard {
  readonly #shard: ShardContext;
  readonly #index: number;
  readonly #clocks: number;
  #from: NodeId | undefined;
  #round = -1;
  /** Reads for clocks below this are open. */
  #open = 0;
  #clock = 0;

  constructor(shard: ShardContext, options: FederatedOptions) {
    this.#shard = shard;
    this.#index = shard.domains.indexOf(shard.domain);
    this.#clocks = clocksPerRound(shard.domain, options.localEpochs, shard.training.batch);
    shard.world.network.handle(ROUND, (message, from) => {
      this.#from = from;
      this.#round = message.header["round"] as number;
      // A round that other shards of this site were not told of is begun again.
      this.#open = this.#clock - (this.#clock % this.#clocks) + this.#clocks;
      shard.replace(message.payload[0] as Float32Array);
      shard.changed();
    });
  }

  afterClock(clock: number): void {
    this.#clock = clock;
    if (clock !== this.#open || !this.#from) return;
    const { world, values } = this.#shard;
    world.network.send(this.#from, RESULT, { round: this.#round, site: this.#index }, [
      world.kernels.snapshot(values),
    ]);
  }

  ready(read: { readonly clock: number }): boolean {
    return read.clock < this.#open;
  }

  waitingFor(): readonly string[] {
    return this.#from ? [this.#from.slice(0, this.#from.indexOf("/"))] : ["the coordinator"];
  }
}
