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

/** A site in a round: the present incarnation of its shard's owner. */
interface Invited {
  readonly client: number;
  readonly incarnation: number;
}

class Rounds {
  readonly #setup: CoordinatorSetup;
  readonly #world: World;
  readonly #values: Float32Array;
  readonly #sum: Float32Array;
  readonly #condition;
  readonly #results = new Map<number, Float32Array>();
  /** The last choice of the first shard's coordinator. */
  #plan: { readonly round: number; readonly invited: readonly Invited[] } | undefined;
  /** Whether members have ever changed. */
  #changed: boolean;
  #round = -1;
  /** Sites of this round, ascending; undefined while the choice is awaited. */
  #invited: readonly Invited[] | undefined;
  /** Those of them that were sent the round. */
  readonly #told = new Set<number>();
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
      const incarnations = header["incarnations"] as readonly number[];
      const invited = clients.map((client, i) => ({ client, incarnation: incarnations[i] ?? 0 }));
      this.#plan = { round: header["round"] as number, invited };
      if (this.#plan.round === this.#round && this.#invited) this.#choose(invited);
      this.#condition.notify();
    });
  }

  async run(round: number, scope: Scope): Promise<void> {
    this.#round = round;
    this.#results.clear();
    this.#told.clear();
    this.#invited = undefined;
    this.#payload = [this.#world.kernels.snapshot(this.#values)];
    await this.#chosen(round, scope);
    const open = (): readonly Invited[] =>
      (this.#invited ?? []).filter(
        (one) => this.#state(one) !== "gone" && !this.#results.has(one.client),
      );
    await this.#condition.until(
      () => open().length === 0,
      {
        what: `the results of round ${round}`,
        whom: () => open().map(({ client }) => this.#setup.domains[client]?.id ?? ""),
      },
      scope,
    );
    this.#average();
  }

  /** Weighted by examples, in site order; without a result the values stay. */
  #average(): void {
    const { options, request } = this.#setup;
    const { kernels } = this.#world;
    const clients = (this.#invited ?? []).flatMap(({ client }) =>
      this.#results.has(client) ? [client] : [],
    );
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
    const planned = this.#plan?.round === round ? this.#plan.invited : undefined;
    this.#choose(planned ?? this.#pick(round));
    if (this.#changed) this.#tell();
  }

  #pick(round: number): readonly Invited[] {
    const { request, domains, options } = this.#setup;
    const random = request.random.stream(`federated.round.${round}`);
    const there = domains.flatMap((_, client) => (this.#present(client) ? [client] : []));
    return pickClients(random, there.length, options.fraction).map((place) => {
      const client = there[place] as number;
      return { client, incarnation: this.#world.members.incarnation(this.#owner(client)) };
    });
  }

  /** The round goes to these sites; to one that was not heard of yet, when it is. */
  #choose(invited: readonly Invited[]): void {
    this.#invited = invited;
    const round = this.#round;
    for (const one of invited) {
      if (this.#told.has(one.client) || this.#state(one) !== "here") continue;
      this.#told.add(one.client);
      this.#world.network.send(this.#owner(one.client), ROUND, { round }, this.#payload);
    }
  }

  /** First shard: the others are to choose as this one did. */
  #tell(): void {
    const { shard, coordinators } = this.#setup;
    if (shard > 0 || !this.#invited) return;
    const clients = this.#invited.map(({ client }) => client);
    const incarnations = this.#invited.map(({ incarnation }) => incarnation);
    const header = { round: this.#round, clients, incarnations };
    for (const other of coordinators.slice(1)) this.#world.network.send(other, PLAN, header);
  }

  #member({ node }: MemberChange): void {
    const { domains, shard } = this.#setup;
    if (!domains.some(({ owners }) => owners[shard]?.node.id === node)) return;
    if (!this.#changed) this.#tell();
    this.#changed = true;
    if (this.#invited) this.#choose(this.#invited);
    this.#condition.notify();
  }

  #state({ client, incarnation }: Invited): "unheard of" | "here" | "gone" {
    const { members } = this.#world;
    const owner = this.#owner(client);
    if (members.incarnation(owner) < incarnation) return "unheard of";
    return members.present(owner) && members.incarnation(owner) === incarnation ? "here" : "gone";
  }

  #owner(client: number): NodeId {
    return this.#setup.domains[client]?.owners[this.#setup.shard]?.node.id as NodeId;
  }

  #present(client: number): boolean {
    return this.#world.members.present(this.#owner(client));
  }
}
