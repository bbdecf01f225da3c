/**
 * What a site of Cartel does around its batches (Daga et al., SoCC'19): it notices drift, tells the registry of itself,
 * and on drift looks for help beside its stream. No batch ever waits for another site.
 *
 *   judged batch ─> window, detector ─ drift ─> an episode of need
 *   in an episode, when not quiet:  registry ─> neighbours ─> portion ─> acceptance test ─> next neighbour, or done
 */
import type { NodeId } from "../../../core/ids.ts";
import type { Scope } from "../../../core/scope.ts";
import type { Micros } from "../../../core/units.ts";
import type { TailoredModel } from "../../../model/tailored.ts";
import type { World } from "../../../world/contract.ts";
import { type Around, type JudgedBatch, mark } from "../../site-loop.ts";
import type { StreamRequest, StreamSite } from "../../streams.ts";
import type { TrialResult } from "./acceptance.ts";
import { Budget } from "./budget.ts";
import type { DriftDetector } from "./drift/contract.ts";
import { createDetector } from "./drift/options.ts";
import { Exclusive } from "./exclusive.ts";
import { help } from "./helper.ts";
import type { Verdict } from "./neighbours.ts";
import type { CartelOptions } from "./options.ts";
import { Probation } from "./probation.ts";
import { Quiet } from "./quiet.ts";
import type { Registry, SiteRecord } from "./registry/contract.ts";
import { overallError, siteOfNode } from "./registry/record.ts";
import { Search } from "./search.ts";
import type { Sketch } from "./sketch.ts";
import { type ClassTally, classesInNeed, SiteWindow } from "./window.ts";

export interface CartelSiteParts {
  readonly world: World;
  readonly site: StreamSite;
  readonly request: StreamRequest;
  readonly options: CartelOptions;
  readonly model: TailoredModel;
  readonly registry: Registry;
  readonly sketch: Sketch | undefined;
}

/** From a drift until help was found, or patience is over. */
interface Episode {
  /** What the site knew before the change. */
  readonly before: ClassTally;
  readonly until: number;
  /** Whose portions did not pass the test; who was silent or busy may be asked again. */
  readonly failed: Set<NodeId>;
  /** Portions of which the test could not say yet whether they help; tried again as rows of the class come. */
  undecided: readonly Offer[];
}

interface Offer {
  readonly from: Verdict;
  readonly packed: Uint8Array;
}

interface Probationers {
  readonly nodes: NodeId[];
  readonly episode: Episode;
}

export class CartelSite implements Around {
  readonly #parts: CartelSiteParts;
  readonly #window: SiteWindow;
  readonly #detector: DriftDetector;
  readonly #exclusive = new Exclusive();
  readonly #search: Search;
  #batch = 0;
  #episode: Episode | undefined;
  /** A search for help is under way. */
  #searching = false;
  #probation: Probation | undefined;
  /** Whose portions are on probation, together. */
  #probationers: Probationers | undefined;
  readonly #quiet: Quiet;
  #sequence: Micros = 0;
  #trainFlops = 0;
  /** Operations of tests that no batch has been charged with yet. */
  #testFlops = 0;

  /** @param scope owns what goes on beside the batches. */
  constructor(parts: CartelSiteParts, scope: Scope) {
    const { world, site, request, options, model } = parts;
    this.#parts = parts;
    this.#window = new SiteWindow(request.classes, options.window);
    this.#detector = createDetector(options.detector, request.classes);
    this.#quiet = new Quiet(options.transfer);
    this.#search = new Search({ ...parts, window: this.#window, exclusive: this.#exclusive });
    const { budgetBytes, budgetBatches, maxBytes, helps } = options.transfer;
    const budget = new Budget(budgetBytes, budgetBatches * site.stream.everyMicros);
    help(world, { model, exclusive: this.#exclusive, budget, maxBytes, helps }, scope);
  }

  model(): TailoredModel {
    return this.#parts.model;
  }

  alone<T>(work: () => Promise<T>): Promise<T> {
    return this.#exclusive.run(work);
  }

  async judged(batch: JudgedBatch, scope: Scope): Promise<void> {
    const { world, options, sketch } = this.#parts;
    this.#batch = batch.batch;
    await this.#judgeProbation(batch, scope);
    this.#window.push(batch);
    sketch?.observe(batch.dataset, batch.rows);
    const drift = this.#detector.observe(batch) === "drift";
    if (drift) {
      mark(world, batch.batch, "drift");
      this.#begin();
    }
    this.#seekHelp(scope);
    if (drift || isDue(batch.batch, options.reportEvery)) this.#report();
  }

  async learn(batch: JudgedBatch, scope: Scope): Promise<number> {
    const { world, model } = this.#parts;
    const learned = await world.spend(
      () =>
        this.alone(async () => {
          const shadow = await this.#probation?.shadow.learn(batch);
          return (await model.learn(batch)) + (shadow ?? 0);
        }),
      scope,
    );
    const flops = learned + this.#testFlops;
    this.#testFlops = 0;
    this.#trainFlops += flops;
    return flops;
  }

  /** The stream has ended: nobody is judged any more. */
  async close(): Promise<void> {
    await this.#probation?.shadow.close();
  }

  #begin(): void {
    const { now, transfer } = this.#parts.options;
    // A change within an episode is of the same need: what was known before it still is the measure.
    const before = this.#episode?.before ?? this.#window.before(now);
    this.#episode = {
      before,
      until: this.#batch + transfer.patience,
      failed: new Set(),
      undecided: [],
    };
  }

  #seekHelp(scope: Scope): void {
    if (!this.#episode || this.#searching || this.#probation) return;
    if (this.#batch > this.#episode.until) this.#episode = undefined;
    if (!this.#episode) return;
    const need = this.#need(this.#episode);
    const news = need.filter((c) => this.#quiet.mayAsk(c, this.#batch));
    const episode = this.#episode;
    if (need.length === 0 || (news.length === 0 && episode.undecided.length === 0)) return;
    this.#searching = true;
    scope.spawn(async (task) => {
      try {
        if (await this.#tryAgain(episode, need, task)) return;
        if (news.length === 0) return;
        const answered = await this.#seek(episode, news, task);
        this.#quiet.asked(news, this.#batch, answered);
      } finally {
        this.#searching = false;
      }
    });
  }

  #need({ before }: Episode): readonly number[] {
    const { now, need } = this.#parts.options;
    return classesInNeed(this.#window.latest(now), before, need);
  }

  /** Asks the neighbours, best first, until no class is in need any more; whether there was an answer, be it that nobody fits. */
  async #seek(episode: Episode, need: readonly number[], scope: Scope): Promise<boolean> {
    const { world } = this.#parts;
    mark(world, this.#batch, "request", { text: `for ${classesText(need)}` });
    const verdicts = await this.#search.neighbours(need, episode.failed, scope);
    const kept = verdicts.filter(({ kept }) => kept);
    if (kept.length === 0) this.#reject(whyNobody(verdicts));
    let answered = verdicts.length > 0 && kept.length === 0;
    let left = need;
    for (const verdict of kept) {
      const { record } = verdict;
      const answer = await this.#search.ask(record.node, left, scope);
      if ("none" in answer) {
        this.#reject(answer.none, record);
        continue;
      }
      answered = true;
      const offer = { from: verdict, packed: answer.packed };
      const result = await this.#try(offer, left, false, episode, scope);
      if (!result.accepted) {
        episode.failed.add(record.node);
        if (result.undecided) episode.undecided = [...episode.undecided, offer];
        this.#reject(result.reason, record);
        continue;
      }
      // What one has not brought, the next one may: a few trees of a forest are soon outvoted.
      left = this.#need(episode);
      if (left.length === 0) break;
    }
    return answered;
  }

  /** Those that were too close to call, on what has come since; whether one of them is taken. */
  async #tryAgain(episode: Episode, need: readonly number[], scope: Scope): Promise<boolean> {
    for (const offer of episode.undecided)
      if ((await this.#try(offer, need, true, episode, scope)).accepted) return true;
    return false;
  }

  async #try(
    { from: { record, reason }, packed }: Offer,
    need: readonly number[],
    again: boolean,
    episode: Episode,
    scope: Scope,
  ): Promise<TrialResult> {
    const adopt = (result: TrialResult): void => {
      const text = `${classesText(need)}: ${result.reason}; ${reason}`;
      mark(this.#parts.world, this.#batch, "accept", { peer: record.site, text });
      this.#adopt(result, record.node, episode);
    };
    const result = await this.#search.try(packed, need, again, adopt, scope);
    this.#testFlops += result.flops;
    return result;
  }

  #reject(text: string, peer?: SiteRecord): void {
    mark(this.#parts.world, this.#batch, "reject", { text, ...(peer ? { peer: peer.site } : {}) });
  }

  /** The portion serves, on probation; what was known of the model's errors no longer holds. */
  #adopt({ saved, judged }: TrialResult, node: NodeId, episode: Episode): void {
    const { world, request, options } = this.#parts;
    if (!this.#probation) {
      const shadow = request.createModel(world.random.stream("shadow"));
      shadow.restore(saved);
      this.#probation = new Probation(shadow, options.transfer.probation);
      this.#probationers = { nodes: [], episode };
    }
    this.#probationers?.nodes.push(node);
    this.#episode = undefined;
    this.#window.rejudged(judged);
    this.#detector.reset();
    this.#report();
  }

  async #judgeProbation(batch: JudgedBatch, scope: Scope): Promise<void> {
    const probation = this.#probation;
    if (!probation || !this.#probationers) return;
    const { world, model } = this.#parts;
    this.#testFlops += await world.spend(() => this.alone(() => probation.judge(batch)), scope);
    const { judgement, reason, helped } = probation;
    if (judgement === "open") return;
    this.#probation = undefined;
    if (helped) this.#quiet.useful();
    if (judgement === "taken back") {
      const { nodes, episode } = this.#probationers;
      await this.alone(async () => model.restore(probation.shadow.save()));
      // The window could not show the harm of one; of those on which it could not decide it knows less.
      episode.undecided = [];
      for (const node of nodes) {
        episode.failed.add(node);
        mark(world, this.#batch, "reject", {
          peer: siteOfNode(node),
          text: `taken back: ${reason}`,
        });
      }
      if (this.#batch <= episode.until) this.#episode = episode;
      this.#detector.reset();
    }
    await probation.shadow.close();
  }

  #report(): void {
    const { world, model, registry, sketch } = this.#parts;
    const { counts, errors } = this.#window.all();
    this.#sequence = Math.max(world.clock.now(), this.#sequence + 1);
    registry.publish({
      site: world.node.site,
      node: world.node.id,
      sequence: this.#sequence,
      modelKind: model.kind,
      modelVersion: model.version,
      modelBytes: model.bytes(),
      batches: this.#batch + 1,
      classCounts: counts,
      classErrors: errors,
      error: overallError(counts, errors),
      trainFlops: this.#trainFlops,
      ...(sketch ? { sketch: sketch.shares } : {}),
    });
  }
}

/** Every so many batches, and after the first 1, 2, 4, …: what is told of one batch says little. */
const isDue = (batch: number, every: number): boolean =>
  batch % every === 0 || (batch < every && Number.isInteger(Math.log2(batch + 1)));

const classesText = (classes: readonly number[]): string =>
  `${classes.length === 1 ? "class" : "classes"} ${classes.slice(0, 5).join(", ")}${classes.length > 5 ? ", …" : ""}`;

/** Why nobody was asked: the registry knew nobody, or the reason that most were dropped for. */
function whyNobody(verdicts: readonly Verdict[]): string {
  if (verdicts.length === 0) return "nobody is known who knows them";
  const [first] = verdicts;
  const more = verdicts.length > 1 ? `, and ${verdicts.length - 1} more` : "";
  return `nobody fits: ${first?.record.site} ${first?.reason}${more}`;
}
