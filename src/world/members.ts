/**
 * Who takes part in a run. All its nodes are planned beforehand, as slots; a slot may be vacant at first, be left,
 * and be filled again by a new incarnation. The world notices and tells every node of every change, in one order for
 * all; two nodes may hear of one change at different moments.
 *
 * What that means for messages: one from an incarnation of which the receiver has heard that it is gone is dropped, and
 * one from an incarnation of which it has not heard yet is delivered right after the news.
 */
import type { NodeId } from "../core/ids.ts";

export interface MemberChange {
  readonly node: NodeId;
  readonly present: boolean;
  /**
   * Of who is there, or has left: 0 from the start, then counted through the joins of the run. So it tells the fillings of
   * a slot apart, and who came later has the higher one.
   */
  readonly incarnation: number;
}

/** Those who take part, as far as this node has heard. A joiner knows what was noticed before it, itself included. */
export interface Members {
  present(node: NodeId): boolean;
  /** Of who is there now, or was there last. */
  incarnation(node: NodeId): number;
  /** Calls `handler` at each change from now on, like the handler of a message. */
  watch(handler: (change: MemberChange) => void): void;
}

/** What one node (or a supervisor) knows. Every slot is present from the start unless a change says otherwise. */
export class MemberView implements Members {
  readonly #changes = new Map<NodeId, MemberChange>();
  readonly #handlers: ((change: MemberChange) => void)[] = [];
  #joins = 0;

  /** @param known changes that were noticed before this view began; a vacant slot is `present: false`, incarnation 0. */
  constructor(known: Iterable<MemberChange> = []) {
    for (const change of known) this.#keep(change);
  }

  present(node: NodeId): boolean {
    return this.#changes.get(node)?.present ?? true;
  }

  incarnation(node: NodeId): number {
    return this.#changes.get(node)?.incarnation ?? 0;
  }

  watch(handler: (change: MemberChange) => void): void {
    this.#handlers.push(handler);
  }

  apply(change: MemberChange): void {
    this.#keep(change);
    for (const handler of this.#handlers) handler(change);
  }

  /** Whether it says anything that is not known. */
  isNews({ node, present, incarnation }: MemberChange): boolean {
    return this.present(node) !== present || this.incarnation(node) !== incarnation;
  }

  /** For who notices: what it means that these nodes leave, or join together, now. Not yet applied. */
  next(nodes: readonly NodeId[], present: boolean): readonly MemberChange[] {
    const incarnation = (node: NodeId): number =>
      present ? this.#joins + 1 : this.incarnation(node);
    return nodes.map((node) => ({ node, present, incarnation: incarnation(node) }));
  }

  #keep(change: MemberChange): void {
    this.#changes.set(change.node, change);
    this.#joins = Math.max(this.#joins, change.incarnation);
  }

  /** Everything that is not as it was planned: what a joiner must be told. */
  changes(): readonly MemberChange[] {
    return [...this.#changes.values()];
  }

  /** When to deliver a message of an incarnation. */
  hears(from: NodeId, incarnation: number): "now" | "after the news" | "never" {
    const known = this.#changes.get(from);
    if (!known) return incarnation === 0 ? "now" : "after the news";
    if (incarnation > known.incarnation) return "after the news";
    return known.present && incarnation === known.incarnation ? "now" : "never";
  }
}

/** What a run says of its slots, so that a world may act on who comes and goes. */
export interface MemberRules {
  /**
   * Everybody who leaves with those who leave: a site without its server is of no use.
   * @throws MEMBER_LOST where the run cannot go on without them.
   */
  withdrawal(leaving: readonly NodeId[], members: Members): readonly NodeId[];
  /** Why they cannot join now; undefined where they can. */
  refusal(joining: readonly NodeId[], members: Members): string | undefined;
}
