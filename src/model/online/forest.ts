/**
 * Online random forest: Hoeffding trees, each leaf of which considers a few features; online bagging (Oza and Russell,
 * "Online bagging and boosting", AISTATS 2001): a tree learns an example Poisson(lambda) times; and per-tree reset on
 * drift (Gomes et al., "Adaptive random forests for evolving data stream classification", Machine Learning 106, 2017): a
 * tree whose errors grow raises a background tree at the warning, which takes its place at the drift.
 *
 * Votes: a class's score is the mean of the trees' shares for it, weighted by the trees' recent recall on that class. A
 * tree that does not know a class therefore has no say about it, so that a few trees from a site that does know it are
 * heard at once. Portions are trees.
 */
import type { Batch } from "../../core/dataset.ts";
import type { Random } from "../../core/random.ts";
import type { Bytes, Flops } from "../../core/units.ts";
import type { MergeContext, PackRequest, Portion, TailoredModel } from "../tailored.ts";
import { Dice, Poisson } from "./dice.ts";
import { type Member, memberBytes, newMember, readMember, writeMember } from "./forest-member.ts";
import { FRAME_BYTES, type RowShape, readFrame, writeFrame } from "./frame.ts";
import type { TreeShape } from "./hoeffding-tree.ts";
import { denseOf, labelOf } from "./rows.ts";
import { weigh } from "./say.ts";
import type { ForestSpec } from "./spec.ts";
import { treeBytes } from "./tree-bytes.ts";
import { readOffered, writeOffered } from "./tree-portion.ts";

/** Labelled examples after which a background tree that was not needed goes. */
const BACKGROUND_LIFE = 1000;
/** Labelled examples over which a tree's recent error is taken. */
const ERROR_WINDOW = 128;

export class Forest implements TailoredModel {
  readonly kind = "forest";
  readonly classes: number;
  version = 0;
  readonly #spec: ForestSpec;
  readonly #shape: RowShape;
  readonly #tree: TreeShape;
  readonly #poisson: Poisson;
  readonly #dice: Dice;
  /** trees x classes: parts of the say about a class. */
  readonly #say: Float64Array;
  readonly #votes: Float64Array;
  #members: Member[];

  constructor(spec: ForestSpec, shape: RowShape, random: Random) {
    this.classes = shape.classes;
    this.#spec = spec;
    this.#shape = shape;
    const { features, classes } = shape;
    const subspace = Math.min(features, spec.subspace ?? Math.ceil(Math.sqrt(features)) + 1);
    const { bins, delta, tie, grace, maxNodes } = spec;
    const odd = maxNodes - ((maxNodes + 1) % 2);
    this.#tree = { features, classes, subspace, bins, delta, tie, grace, maxNodes: odd };
    this.#poisson = new Poisson(spec.lambda);
    this.#dice = new Dice(random.integer(2 ** 32));
    this.#say = new Float64Array(spec.trees * classes);
    this.#votes = new Float64Array(classes);
    this.#members = Array.from({ length: spec.trees }, () => newMember(this.#tree, this.#dice));
  }

  bytes(): Bytes {
    return this.#members.reduce((sum, member) => sum + memberBytes(member), FRAME_BYTES + 5);
  }

  async predict(batch: Batch, out: Int32Array): Promise<Flops> {
    const data = denseOf(batch, this.#shape);
    const { features, classes } = this.#shape;
    const votes = this.#votes;
    weigh(
      this.#members.map(({ recall }) => recall),
      classes,
      this.#say,
    );
    for (let i = 0; i < batch.rows.length; i++) {
      const base = (batch.rows[i] as number) * features;
      votes.fill(0);
      for (let t = 0; t < this.#members.length; t++) {
        const { tree } = this.#members[t] as Member;
        const slot = tree.next[tree.find(data, base)] as number;
        const total = tree.total[slot] as number;
        if (total <= 0) continue;
        const at = slot * classes;
        for (let c = 0; c < classes; c++)
          votes[c]! +=
            ((tree.weights[at + c] as number) / total) * (this.#say[t * classes + c] as number);
      }
      let best = 0;
      for (let c = 1; c < classes; c++)
        if ((votes[c] as number) > (votes[best] as number)) best = c;
      out[i] = best;
    }
    return this.#members.length * classes * 4 + batch.rows.length * this.#voteFlops();
  }

  async learn(batch: Batch): Promise<Flops> {
    const data = denseOf(batch, this.#shape);
    const { features } = this.#shape;
    const dice = this.#dice;
    let flops = 0;
    for (const row of batch.rows) {
      const label = labelOf(data, row);
      if (label < 0) continue;
      const base = row * features;
      for (const member of this.#members) {
        const { tree, background } = member;
        const node = tree.find(data, base);
        const wrong = this.#judge(member, node, label);
        const weight = this.#poisson.draw(dice);
        if (weight > 0) flops += tree.learn(node, data, base, label, weight, dice);
        if (background) {
          const leaf = background.tree.find(data, base);
          this.#judge(background, leaf, label);
          if (weight > 0) flops += background.tree.learn(leaf, data, base, label, weight, dice);
        }
        flops += 2 * depthOf(tree.leaves);
        this.#watch(member, wrong);
      }
    }
    this.version++;
    return flops;
  }

  portions(): readonly Portion[] {
    return this.#members.map(({ tree, recall }, t) => ({
      id: `tree ${t}`,
      bytes: treeBytes(tree, "portion") + 8 * this.classes,
      use: Float32Array.from({ length: this.classes }, (_, c) => recall.of(c)),
    }));
  }

  /** The trees with the best mean recall on the classes: at most the forest's share of them. */
  pack({ classes, maxBytes }: PackRequest): Uint8Array | undefined {
    const known = (member: Member): number =>
      classes.reduce((sum, c) => sum + (member.recall.of(c) || 0), 0);
    let bytes = FRAME_BYTES + 1;
    const chosen = this.#members
      .filter((member) => known(member) > 0)
      .sort((a, b) => known(b) - known(a))
      .slice(0, this.#most())
      .filter(({ tree }) => {
        const more = treeBytes(tree, "portion") + 8 * this.classes;
        if (bytes + more > maxBytes) return false;
        bytes += more;
        return true;
      });
    if (chosen.length === 0) return undefined;
    const writer = writeFrame(this.kind, "portion", this.#shape);
    writeOffered(writer, chosen);
    return writer.finish();
  }

  /**
   * The received trees take the places of those with the largest recent error. The change for which they were asked is
   * answered by that: the other trees are watched anew from here on. Otherwise all of them, which err on the new class
   * alike, would be thrown away a few batches later, with what they know of every other class.
   */
  merge(packed: Uint8Array, _context: MergeContext): void {
    const reader = readFrame(packed, this.kind, "portion", this.#shape);
    const received = readOffered(reader, this.#tree, this.#members.length);
    const worst = this.#members
      .map((member, t) => ({ t, error: member.error }))
      .sort((a, b) => b.error - a.error || a.t - b.t);
    for (const [i, member] of received.entries()) {
      member.tree.settle(this.#dice);
      this.#members[(worst[i] as { t: number }).t] = member;
    }
    for (const member of this.#members) {
      member.test.reset();
      member.background = undefined;
    }
    this.version++;
  }

  save(): Uint8Array {
    const writer = writeFrame(this.kind, "model", this.#shape);
    writer.u32(this.#dice.state);
    writer.u8(this.#members.length);
    for (const member of this.#members) writeMember(writer, member);
    return writer.finish();
  }

  restore(saved: Uint8Array): void {
    const { state, members } = this.#read(saved);
    this.#dice.state = state;
    this.#members = members;
    this.version++;
  }

  /**
   * Trees have no mean. The forest is a sample of those of all (Hauschild et al., "Federated random forests can improve
   * local performance of predictive models for various healthcare applications", Bioinformatics 38, 2022): each place gets
   * the tree that stands there in one of the forests, drawn by weight, so that no tree comes twice from one that they share.
   */
  average(saved: readonly Uint8Array[], weights: readonly number[]): void {
    const forests = saved.map((one) => this.#read(one).members);
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    const { length } = this.#members;
    // Systematic sampling: a forest with a share s of the weight gives s * length trees, rounded up or down.
    const begin = this.#dice.bits() / 2 ** 32;
    let [from, before] = [0, 0];
    const givers = this.#members.map((_, k) => {
      const at = ((k + begin) / length) * total;
      while (from < forests.length - 1 && at >= before + (weights[from] as number))
        before += weights[from++] as number;
      return from;
    });
    this.#members = this.#members.map((_, place) => {
      const [giver] = givers.splice(this.#dice.below(givers.length), 1);
      return (forests[giver as number] as Member[])[place] as Member;
    });
    this.version++;
  }

  #read(saved: Uint8Array): { readonly state: number; readonly members: Member[] } {
    const reader = readFrame(saved, this.kind, "model", this.#shape);
    const state = reader.u32();
    const { length } = this.#members;
    reader.within(reader.u8(), length, length, "number of trees");
    const members = this.#members.map(() => readMember(reader, this.#tree));
    reader.end();
    return { state, members };
  }

  async close(): Promise<void> {}

  #most(): number {
    return Math.min(this.#members.length, Math.ceil(this.#spec.share * this.#members.length));
  }

  /** Brings recall and recent error up to date; answers whether the leaf's class was wrong. */
  #judge(member: Member, node: number, label: number): boolean {
    const { tree, recall } = member;
    const foretold = tree.major[tree.next[node] as number] as number;
    const wrong = foretold !== label;
    recall.add(label, foretold);
    if (member.age < ERROR_WINDOW) member.age++;
    member.error = Math.fround(member.error + ((wrong ? 1 : 0) - member.error) / member.age);
    return wrong;
  }

  #watch(member: Member, wrong: boolean): void {
    const verdict = member.test.add(wrong, this.#spec);
    if (member.background && ++member.waited > BACKGROUND_LIFE) member.background = undefined;
    if (verdict === "warning" && !member.background) {
      member.background = newMember(this.#tree, this.#dice);
      member.waited = 0;
    }
    if (verdict !== "drift") return;
    const { tree, recall, error, age } = member.background ?? newMember(this.#tree, this.#dice);
    member.tree = tree;
    member.recall = recall;
    member.error = error;
    member.age = age;
    member.background = undefined;
  }

  #voteFlops(): Flops {
    let flops = 0;
    for (const { tree } of this.#members) flops += 2 * depthOf(tree.leaves) + 3 * this.classes;
    return flops;
  }
}

/** Branches that an example passes, were the tree balanced. */
const depthOf = (leaves: number): number => Math.ceil(Math.log2(leaves));
