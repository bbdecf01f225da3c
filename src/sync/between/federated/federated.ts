/**
 * Federated averaging (McMahan et al., "Communication-Efficient Learning of Deep Networks from
 * Decentralized Data", AISTATS'17). A site's workers agree `within`; the site is one client. A round: the
 * coordinator picks max(C*K, 1) sites, each trains `localEpochs` passes over its own data from the global
 * model, and the new global model is the average, weighted by examples, taken in site order.
 *
 * The model is averaged shard by shard: beside each of a site's shard owners runs a client of that shard,
 * and one coordinator program a shard stands at the coordinating site.
 */
import { z } from "zod";
import type { NodeId } from "../../../core/ids.ts";
import { nodeId } from "../../../core/ids.ts";
import type { NodeInfo, NodeProgram } from "../../../world/contract.ts";
import { messageKind } from "../../../world/message.ts";
import type {
  Between,
  BetweenShard,
  DeployRequest,
  Domain,
  Range,
  ShardContext,
  Training,
} from "../../contract.ts";
import { cut, domainPerSite } from "../../domains.ts";
import { bestConnected } from "../../network.ts";
import { pickClients } from "./clients.ts";
import { federatedStreams } from "./stream.ts";

export const FederatedOptions = z.strictObject({
  kind: z.literal("federated"),
  /** C: the share of sites in a round. */
  fraction: z.number().gt(0).lte(1).default(1),
  /** E: passes of a site over its own data in a round. */
  localEpochs: z.number().positive().default(1),
  /** `samples`: the average weighs a site by its examples. `equal`: all the same. */
  weights: z.enum(["samples", "equal"]).default("samples"),
  /** The site that averages; by default the best-connected one. */
  coordinator: z.string().optional(),
  /** On streams: batches of each site in a round. */
  everyBatches: z.number().int().positive().default(10),
});
export type FederatedOptions = z.infer<typeof FederatedOptions>;

/** Coordinator to client: `{ round }` and the global values. */
const ROUND = messageKind("federated.round", "bulk", "parameters");
/** Client to coordinator: `{ round, site }` and the site's values. */
const RESULT = messageKind("federated.result", "bulk", "parameters");

/** Clocks that a site needs for E passes over its data. */
export function clocksPerRound(domain: Domain, epochs: number, batch: number): number {
  const longest = Math.max(...domain.workers.map((worker) => worker.rows.length));
  return Math.max(1, Math.ceil((epochs * longest) / batch));
}

export function federated(options: FederatedOptions): Between {
  return {
    deploy(request) {
      const { sites, training } = request;
      const domains = domainPerSite(sites, training.learner.layout.length, "own");
      const center = sites.find(({ id }) => id === options.coordinator) ?? bestConnected(request);
      const shards = domains[0]?.owners.length ?? 0;
      const extra = cut(training.learner.layout.length, shards).map((range, shard) => {
        const node: NodeInfo = {
          id: nodeId(center.id, "coordinator", shard),
          site: center.id,
          role: "coordinator",
          index: shard,
        };
        return { node, program: coordinator({ options, request, domains, range, shard }) };
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

interface CoordinatorSetup {
  readonly options: FederatedOptions;
  readonly request: DeployRequest;
  readonly domains: readonly Domain[];
  readonly range: Range;
  readonly shard: number;
}

/** Clocks after which each round ends, counted on the slowest site. */
const roundClocks = (domains: readonly Domain[], epochs: number, training: Training): number =>
  Math.max(...domains.map((domain) => clocksPerRound(domain, epochs, training.batch)));

function coordinator(setup: CoordinatorSetup): NodeProgram {
  const { options, request, domains, range, shard } = setup;
  const { training, sites } = request;
  return async (world, scope) => {
    const { kernels, network } = world;
    const values = kernels.allocate(range.end - range.start);
    const sum = kernels.allocate(range.end - range.start);
    kernels.copy(values, training.initial.subarray(range.start, range.end));
    training.observer.attach("global", range, values);
    const condition = world.condition();
    const results = new Map<number, Float32Array>();
    let current = 0;
    network.handle(RESULT, (message) => {
      if (message.header["round"] !== current) return;
      results.set(message.header["site"] as number, message.payload[0] as Float32Array);
      condition.notify();
    });

    const clocks = roundClocks(domains, options.localEpochs, training);
    const rounds = Math.max(1, Math.floor(training.maxClocks / clocks));
    for (let round = 0; round < rounds; round++) {
      current = round;
      results.clear();
      const random = request.random.stream(`federated.round.${round}`);
      const clients = pickClients(random, domains.length, options.fraction);
      const payload = [kernels.snapshot(values)];
      for (const client of clients) {
        const owner = domains[client]?.owners[shard]?.node.id as NodeId;
        network.send(owner, ROUND, { round }, payload);
      }
      await condition.until(
        () => results.size === clients.length,
        {
          what: `the results of round ${round}`,
          whom: () => clients.filter((c) => !results.has(c)).map((c) => domains[c]?.id ?? ""),
        },
        scope,
      );
      const weight = (client: number): number =>
        options.weights === "equal" ? 1 : (sites[client]?.examples ?? 0);
      const total = clients.reduce((all, client) => all + weight(client), 0);
      kernels.fill(sum, 0);
      for (const client of clients) {
        kernels.axpy(sum, weight(client) / total, results.get(client) as Float32Array);
      }
      kernels.copy(values, sum);
      training.observer.reached("global", range, (round + 1) * clocks);
      if (shard === 0) {
        const t = world.clock.now();
        world.emit({ type: "metric", t, name: "federated.round", value: round + 1 });
      }
    }
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

  constructor(shard: ShardContext, options: FederatedOptions) {
    this.#shard = shard;
    this.#index = shard.domains.indexOf(shard.domain);
    this.#clocks = clocksPerRound(shard.domain, options.localEpochs, shard.training.batch);
    shard.world.network.handle(ROUND, (message, from) => {
      this.#from = from;
      this.#round = message.header["round"] as number;
      this.#open += this.#clocks;
      shard.replace(message.payload[0] as Float32Array);
      shard.changed();
    });
  }

  afterClock(clock: number): void {
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
