/**
 * Who takes part in a simulated run, and how the news of it travels: one order of changes for all, and for each node a
 * moment of its own, drawn from the seed, at which it hears of a change.
 */
import type { NodeId } from "../../core/ids.ts";
import type { Random } from "../../core/random.ts";
import type { Micros } from "../../core/units.ts";
import { type MemberChange, MemberView } from "../members.ts";
import type { EventLoop } from "./loop.ts";
import { TimerEvent } from "./waits.ts";

/** An incarnation that can be told. */
export interface Listener {
  readonly alive: boolean;
  hear(change: MemberChange): void;
}

export class Membership {
  /** As it is. */
  readonly truth: MemberView;
  readonly #loop: EventLoop;
  readonly #random: Random;
  readonly #longest: Micros;
  /** News reach a node in their order: none earlier than the one before. */
  readonly #last = new Map<NodeId, Micros>();

  /** @param longest a node hears of a change after 0 to this. */
  constructor(vacant: Iterable<NodeId>, loop: EventLoop, random: Random, longest: Micros) {
    this.truth = new MemberView(
      [...vacant].map((node) => ({ node, present: false, incarnation: 0 })),
    );
    this.#loop = loop;
    this.#random = random;
    this.#longest = longest;
  }

  /** What an incarnation that begins now knows. */
  view(): MemberView {
    return new MemberView(this.truth.changes());
  }

  /** Changes take place; the listeners will hear of them. */
  change(
    present: boolean,
    nodes: readonly NodeId[],
    listeners: Iterable<readonly [NodeId, Listener]>,
  ): readonly MemberChange[] {
    const changes = this.truth.next(nodes, present);
    for (const change of changes) this.truth.apply(change);
    for (const [id, listener] of listeners) this.#tell(id, listener, changes);
    return changes;
  }

  #tell(id: NodeId, listener: Listener, changes: readonly MemberChange[]): void {
    const drawn = this.#loop.now + this.#random.integer(this.#longest + 1);
    const at = Math.max(drawn, this.#last.get(id) ?? 0);
    this.#last.set(id, at);
    const hear = (): void => {
      for (const change of changes) listener.hear(change);
    };
    this.#loop.schedule(at, new TimerEvent(listener, hear));
  }
}
