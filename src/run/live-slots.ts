/** Who takes part in a run whose hosts come and go: what a host's end or return means for the nodes of the run. */
import type { NodeId } from "../core/ids.ts";
import { memberRules } from "../sync/members.ts";
import { Finish } from "../sync/programs.ts";
import { hostsThatTalk, talksOf } from "../sync/talks.ts";
import { type MemberChange, type MemberRules, MemberView } from "../world/members.ts";
import type { RunPlan } from "./plan.ts";

export class Slots {
  /** Whether nodes of two hosts talk. */
  readonly talk: (a: number, b: number) => boolean;
  readonly finish: Finish;
  readonly #members: MemberView;
  readonly #rules: MemberRules;
  readonly #plan: RunPlan;
  readonly #hostOf: Readonly<Record<NodeId, number>>;
  readonly #onCopy: (copy: string, present: boolean) => void;
  readonly #lost = new Set<number>();

  /**
   * @param onCopy told when a domain's copy has gone with its nodes, and when it is there again.
   * @param known who had come and gone before.
   */
  constructor(
    plan: RunPlan,
    hostOf: Readonly<Record<NodeId, number>>,
    onCopy: (copy: string, present: boolean) => void,
    known: readonly MemberChange[] = [],
  ) {
    this.#members = new MemberView(known);
    this.finish = new Finish(plan.enders);
    this.#rules = memberRules(plan.deployment);
    this.talk = hostsThatTalk(talksOf(plan.deployment), hostOf);
    this.#plan = plan;
    this.#hostOf = hostOf;
    this.#onCopy = onCopy;
    this.finish.changed(known);
    for (const [copy, there] of this.#copies()) if (!there) onCopy(copy, false);
  }

  /** Everything that is not as it was planned. */
  changes(): readonly MemberChange[] {
    return this.#members.changes();
  }

  /** A host was lost: who leaves with its nodes. @throws MEMBER_LOST where the run cannot go on. */
  withdraw(host: number): readonly MemberChange[] {
    this.#lost.add(host);
    const leaving = this.#absentees(true, (node) => this.#hostOf[node] === host);
    if (leaving.length === 0) return [];
    return this.#change(this.#rules.withdrawal(leaving, this.#members), false);
  }

  /** A host is there in the place of one that was lost: who comes with it; nothing while it cannot join. */
  admit(host: number): readonly MemberChange[] | undefined {
    this.#lost.delete(host);
    const own = this.#absentees(false, (node) => this.#hostOf[node] === host);
    // Those of other hosts left with it: their hosts are there.
    const all = this.#absentees(false, (node) => !this.#lost.has(this.#hostOf[node] ?? -1));
    for (const joining of [all, own])
      if (this.#rules.refusal(joining, this.#members) === undefined)
        return this.#change(joining, true);
    this.#lost.add(host);
    return undefined;
  }

  #absentees(present: boolean, which: (node: NodeId) => boolean): readonly NodeId[] {
    const nodes = [...this.#plan.programs.keys()].map(({ id }) => id);
    return nodes.filter((node) => which(node) && this.#members.present(node) === present);
  }

  #change(nodes: readonly NodeId[], present: boolean): readonly MemberChange[] {
    const before = this.#copies();
    const changes = nodes.map((node) => {
      const incarnation = this.#members.incarnation(node) + (present ? 1 : 0);
      return { node, present, incarnation };
    });
    for (const change of changes) this.#members.apply(change);
    this.finish.changed(changes);
    const after = this.#copies();
    for (const [copy, there] of after) if (before.get(copy) !== there) this.#onCopy(copy, there);
    return changes;
  }

  /** Whether each copy is there: all its owners are. */
  #copies(): ReadonlyMap<string, boolean> {
    const there = (node: NodeId): boolean => this.#members.present(node);
    return new Map(
      this.#plan.deployment.domains.map(({ id, owners }) => [
        id,
        owners.every(({ node }) => there(node.id)),
      ]),
    );
  }
}
