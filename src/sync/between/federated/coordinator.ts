/**
 * The coordinator of one shard of the global model: rounds of McMahan et al. (AISTATS'17), Algorithm 1.
 *
 * All shards of a round must go to the same sites, or a site would wait for the rest of its model. From the same draw
 * over the same sites they do. Once members have changed, two coordinators may have heard of different ones: then the
 * first shard's coordinator chooses for all (PLAN), and a choice that was made without the news is mended.
 *
 * A site that leaves is not waited for any longer and chosen no more; one that joins is chosen from the next round on.
 */
import type { NodeId } from "../../../core/ids.ts";
import type { Scope } from "../../../core/scope.ts";
import type { NodeProgram, World } from "../../../world/contract.ts";
import type { MemberChange } from "../../../world/members.ts";
import type { DeployRequest, Domain, Range, Training } from "../../contract.ts";
import { clocksPerRound, pickClients } from "./clients.ts";
import { PLAN, RESULT, ROUND } from "./messages.ts";
import type { FederatedOptions } from "./options.ts";

export interface CoordinatorSetup {
  readonly options: FederatedOptions;
  readonly request: DeployRequest;
  readonly domains: readonly Domain[];
  readonly range: Range;
  readonly shard: number;
  /** By shard. */
  readonly coordinators: readonly NodeId[];
}

/** Clocks after which each round ends, counted on the slowest site. */
const roundClocks = (domains: readonly Domain[], epochs: number, training: Training): number =>
  Math.max(...domains.map((domain) => clocksPerRound(domain, epochs, training.batch)));

export function coordinator(setup: CoordinatorSetup): NodeProgram {
  const { options, request, domains } = setup;
  const { training } = request;
  return async (world, scope) => {
    const rounds = new Rounds(setup, world);
    const clocks = roundClocks(domains, options.localEpochs, training);
    const count = Math.max(1, Math.floor(training.maxClocks / clocks));
    for (let round = 0; round < count; round++) {
      await rounds.run(round, scope);
      training.observer.reached("global", setup.range, (round + 1) * clocks);
      if (setup.shard === 0) {
        const t = world.clock.now();
        world.emit({ type: "metric", t, name: "federated.round", value: round + 1 });
      }
    }
  };
}

class Rounds {
  readonly #setup: CoordinatorSetup;
  readonly #world: World;
  readonly #values: Float32Array;
  readonly #sum: Float32Array;
  readonly #condition;
  readonly #results = new Map<number, Float32Array>();
  /** The last choice of the first shard's coordinator. */
  #plan: { readonly round: number; readonly clients: readonly number[] } | undefined;
  /** Whether members have ever changed. */
  #changed: boolean;
  #round = -1;
  /** Sites of this round, ascending; undefined while the choice is awaited. */
  #clients: readonly number[] | undefined;
  /** What clients of this round are sent. */
  #payload: readonly Float32Array[] = [];

  constructor(setup: CoordinatorSetup, world: World) {
    this.#setup = setup;
    this.#world = world;
    const { range, request } = setup;
    const { kernels, network, members } = world;
    const { initial, observer } = request.training;
    this.#values = kernels.allocate(range.end - range.start);
    this.#sum = kernels.allocate(range.end - range.start);
    kernels.copy(this.#values, initial.subarray(range.start, range.end));
    observer.attach("global", range, this.#values);
    this.#condition = world.condition();
    this.#changed = setup.domains.some((_, client) => !this.#present(client));
    members.watch((change) => this.#member(change));
    network.handle(RESULT, (message) => {
      if (message.header["round"] !== this.#round) return;
      this.#results.set(message.header["site"] as number, message.payload[0] as Float32Array);
      this.#condition.notify();
    });
    network.handle(PLAN, ({ header }) => {
      const clients = header["clients"] as readonly number[];
      this.#plan = { round: header["round"] as number, clients };
      if (this.#plan.round === this.#round && this.#clients) this.#choose(clients);
      this.#condition.notify();
    });
  }

  async run(round: number, scope: Scope): Promise<void> {
    this.#round = round;
    this.#results.clear();
    this.#clients = undefined;
    this.#payload = [this.#world.kernels.snapshot(this.#values)];
    await this.#chosen(round, scope);
    const open = (): readonly number[] =>
      (this.#clients ?? []).filter((client) => !this.#results.has(client));
    await this.#condition.until(
      () => open().length === 0,
      {
        what: `the results of round ${round}`,
        whom: () => open().map((client) => this.#setup.domains[client]?.id ?? ""),
      },
      scope,
    );
    this.#average();
  }

  /** Weighted by examples, in site order; without a result the values stay. */
  #average(): void {
    const { options, request } = this.#setup;
    const { kernels } = this.#world;
    const clients = (this.#clients ?? []).filter((client) => this.#results.has(client));
    if (clients.length === 0) return;
    const weight = (client: number): number =>
      options.weights === "equal" ? 1 : (request.sites[client]?.examples ?? 0);
    const total = clients.reduce((all, client) => all + weight(client), 0);
    kernels.fill(this.#sum, 0);
    for (const client of clients) {
      kernels.axpy(this.#sum, weight(client) / total, this.#results.get(client) as Float32Array);
    }
    kernels.copy(this.#values, this.#sum);
  }

  /** Chooses the sites of the round, or waits for the first shard's choice. */
  async #chosen(round: number, scope: Scope): Promise<void> {
    const { shard, coordinators } = this.#setup;
    if (shard > 0 && this.#changed) {
      await this.#condition.until(
        () => this.#plan?.round === round,
        { what: `the sites of round ${round}`, whom: () => coordinators.slice(0, 1) },
        scope,
      );
    }
    const planned = this.#plan?.round === round ? this.#plan.clients : undefined;
    this.#choose(planned ?? this.#pick(round));
    if (this.#changed) this.#tell();
  }

  #pick(round: number): readonly number[] {
    const { request, domains, options } = this.#setup;
    const random = request.random.stream(`federated.round.${round}`);
    const there = domains.flatMap((_, client) => (this.#present(client) ? [client] : []));
    const picked = pickClients(random, there.length, options.fraction);
    return picked.map((place) => there[place] as number);
  }

  /** The round goes to these sites, as far as they are here; those that it went to already are not told again. */
  #choose(clients: readonly number[]): void {
    const before = this.#clients ?? [];
    this.#clients = clients.filter((client) => this.#present(client));
    for (const client of this.#clients) {
      if (before.includes(client)) continue;
      const round = this.#round;
      this.#world.network.send(this.#owner(client), ROUND, { round }, this.#payload);
    }
  }

  /** First shard: the others are to choose as this one did. */
  #tell(): void {
    const { shard, coordinators } = this.#setup;
    if (shard > 0 || !this.#clients) return;
    const header = { round: this.#round, clients: this.#clients };
    for (const other of coordinators.slice(1)) this.#world.network.send(other, PLAN, header);
  }

  #member({ node, present }: MemberChange): void {
    const { domains, shard } = this.#setup;
    const client = domains.findIndex(({ owners }) => owners[shard]?.node.id === node);
    if (client < 0) return;
    this.#changed = true;
    if (!present) this.#clients = this.#clients?.filter((other) => other !== client);
    this.#tell();
    this.#condition.notify();
  }

  #owner(client: number): NodeId {
    return this.#setup.domains[client]?.owners[this.#setup.shard]?.node.id as NodeId;
  }

  #present(client: number): boolean {
    return this.#world.members.present(this.#owner(client));
  }
}
