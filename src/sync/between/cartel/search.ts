/** What a site does to be helped: asks the registry, chooses neighbours, and tries the portions that they send. */
import { invariant } from "../../../core/errors.ts";
import type { NodeId, SiteId } from "../../../core/ids.ts";
import type { Scope } from "../../../core/scope.ts";
import { type Flops, MILLISECOND, type Micros, SECOND } from "../../../core/units.ts";
import type { TailoredModel } from "../../../model/tailored.ts";
import type { World } from "../../../world/contract.ts";
import type { StreamRequest, StreamSite } from "../../streams.ts";
import { type TrialResult, tryPortion } from "./acceptance.ts";
import { Budget } from "./budget.ts";
import type { Exclusive } from "./exclusive.ts";
import { chooseNeighbours, type Verdict } from "./neighbours.ts";
import type { CartelOptions } from "./options.ts";
import type { Registry, SiteRecord } from "./registry/contract.ts";
import type { Sketch } from "./sketch.ts";
import { type Answer, Transfer } from "./transfer.ts";
import type { SiteWindow } from "./window.ts";

export interface SearchParts {
  readonly world: World;
  readonly site: StreamSite;
  readonly request: StreamRequest;
  readonly options: CartelOptions;
  readonly model: TailoredModel;
  readonly registry: Registry;
  readonly sketch: Sketch | undefined;
  readonly window: SiteWindow;
  readonly exclusive: Exclusive;
}

export class Search {
  readonly #parts: SearchParts;
  readonly #transfer: Transfer;
  readonly #budget: Budget;
  /** What the registry said last: better than its silence. */
  #known: readonly SiteRecord[] = [];

  constructor(parts: SearchParts) {
    const { budgetBytes, budgetBatches } = parts.options.transfer;
    this.#parts = parts;
    this.#transfer = new Transfer(parts.world);
    this.#budget = new Budget(budgetBytes, budgetBatches * parts.site.stream.everyMicros);
  }

  /** Verdicts on everybody who is known to know the classes, best first. */
  async neighbours(
    need: readonly number[],
    failed: ReadonlySet<NodeId>,
    scope: Scope,
  ): Promise<readonly Verdict[]> {
    const { world, site, request, options, model, sketch, window } = this.#parts;
    const { neighbours, reportEvery } = options;
    await this.#askRegistry(need, scope);
    const { counts, errors } = window.latest(options.now);
    const { roundTripMicros, egressDollarsPerGB } = request.network;
    const nodes = new Map(this.#known.map(({ site, node }) => [site, node]));
    // As the network has shown it, else as declared. Less than a millisecond is no difference.
    const trip = (other: SiteId): Micros => {
      const measured = world.network.estimate(nodes.get(other)!).roundTripMicros;
      const micros = measured ?? roundTripMicros(site.id, other);
      return MILLISECOND * Math.round(micros / MILLISECOND);
    };
    return chooseNeighbours(
      {
        node: world.node.id,
        modelKind: model.kind,
        classCounts: counts,
        classErrors: errors,
        need,
        sketch: sketch?.shares,
      },
      this.#known,
      {
        now: world.clock.now(),
        staleAfter: neighbours.staleReports * reportEvery * site.stream.everyMicros,
        roundTripMicros: trip,
        failed,
        dollarsPerGB: (other) => egressDollarsPerGB?.(other, site.id) ?? 0,
      },
      neighbours,
    );
  }

  /** The neighbour's portion for the classes, or why there is none. */
  async ask(neighbour: NodeId, need: readonly number[], scope: Scope): Promise<Answer> {
    const { world, options, model } = this.#parts;
    const { transfer } = options;
    const left = this.#budget.left(world.clock.now());
    if (left <= 0) return { none: "the budget of bytes is spent" };
    const maxBytes = Math.min(transfer.maxBytes, left);
    const timeout = millis(transfer.timeoutMs);
    const had = this.#transfer.bytes;
    const asking = { model: model.kind, classes: need, maxBytes, timeout };
    const answer = await this.#transfer.ask(neighbour, asking, scope);
    this.#budget.spend(this.#transfer.bytes - had, world.clock.now());
    return answer;
  }

  /**
   * The acceptance test of a portion.
   * @param adopt called as soon as the portion is in the model, before anything else is learned
   */
  async try(
    packed: Uint8Array,
    need: readonly number[],
    again: boolean,
    adopt: (result: TrialResult) => void,
    scope: Scope,
  ): Promise<TrialResult> {
    const { world, model, exclusive } = this.#parts;
    const tried: { result?: TrialResult } = {};
    const work = async (): Promise<Flops> => {
      const result = await tryPortion(model, packed, { ...this.#trial(need), again });
      tried.result = result;
      if (result.accepted) adopt(result);
      return result.flops;
    };
    await world.spend(() => exclusive.run(work), scope);
    invariant(tried.result !== undefined, "what was done has a result");
    return tried.result;
  }

  async #askRegistry(need: readonly number[], scope: Scope): Promise<void> {
    const { world, site, options, registry } = this.#parts;
    const began = world.clock.now();
    const query = { classes: need, limit: 4 * options.neighbours.most };
    const records = await registry.query(query, millis(options.transfer.queryMs), scope);
    if (records.length > 0) this.#known = records;
    const t = world.clock.now();
    const value = (t - began) / SECOND;
    world.emit({ type: "metric", t, name: "cartel.querySeconds", value, site: site.id });
  }

  #trial(need: readonly number[]) {
    const { request, options, window } = this.#parts;
    const { blend, margin } = options.transfer;
    const counts = blend ? window.all().counts : new Uint32Array(request.classes);
    return {
      dataset: request.dataset,
      batches: window.seen(options.now),
      context: { classes: need, counts },
      margin,
    };
  }
}

const millis = (count: number): Micros => Math.round(count * MILLISECOND);
