/**
 * Who takes part in a run on streams whose hosts come and go. A site goes on without any other, and without what else the
 * run has (a registry, a centre): only when no site is left is there no run.
 */
import { PangaeaError } from "../core/errors.ts";
import type { NodeId } from "../core/ids.ts";
import { Finish } from "../sync/programs.ts";
import { type MemberChange, MemberView } from "../world/members.ts";
import type { StreamPlan } from "./stream-plan.ts";

export class StreamSlots {
  readonly finish: Finish;
  readonly #plan: StreamPlan;
  readonly #hostOf: Readonly<Record<NodeId, number>>;
  readonly #members: MemberView;

  /** @param known who had come and gone before. */
  constructor(
    plan: StreamPlan,
    hostOf: Readonly<Record<NodeId, number>>,
    known: readonly MemberChange[] = [],
  ) {
    this.#plan = plan;
    this.#hostOf = hostOf;
    this.#members = new MemberView(known);
    this.finish = new Finish(plan.enders);
    this.finish.changed(known);
  }

  /** Everything that is not as it was planned. */
  changes(): readonly MemberChange[] {
    return this.#members.changes();
  }

  /** A host was lost: its nodes leave. @throws MEMBER_LOST where no site is left. */
  withdraw(host: number): readonly MemberChange[] {
    const leaving = this.#nodesOf(host, true);
    const sites = [...this.#plan.enders].filter(({ id }) => this.#members.present(id));
    if (sites.length > 0 && sites.every(({ id }) => leaving.includes(id)))
      throw new PangaeaError("MEMBER_LOST", "the run cannot go on: no other site is left");
    return this.#change(leaving, false);
  }

  /** A host is there in the place of one that was lost. */
  admit(host: number): readonly MemberChange[] {
    return this.#change(this.#nodesOf(host, false), true);
  }

  #nodesOf(host: number, present: boolean): readonly NodeId[] {
    const nodes = [...this.#plan.programs.keys()].map(({ id }) => id);
    return nodes.filter(
      (node) => this.#hostOf[node] === host && this.#members.present(node) === present,
    );
  }

  #change(nodes: readonly NodeId[], present: boolean): readonly MemberChange[] {
    const changes = this.#members.next(nodes, present);
    for (const change of changes) this.#members.apply(change);
    this.finish.changed(changes);
    return changes;
  }
}
