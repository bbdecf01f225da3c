/** From a deployment to the program of each node, and the nodes whose end is the end of the run. */
import type { NodeId } from "../core/ids.ts";
import type { NodeInfo, NodeProgram } from "../world/contract.ts";
import type { MemberChange } from "../world/members.ts";
import type { Deployment, Within } from "./contract.ts";

export interface Programs {
  readonly programs: ReadonlyMap<NodeInfo, NodeProgram>;
  /** Workers; or, where coordinators hold the judged copy, those. The run is over when all have ended. */
  readonly enders: Set<NodeInfo>;
}

export function programsOf({ domains, extra, judged }: Deployment, within: Within): Programs {
  const programs = new Map<NodeInfo, NodeProgram>();
  const enders = new Set<NodeInfo>();
  for (const domain of domains) {
    for (const owner of domain.owners) programs.set(owner.node, within.owner(domain, owner));
    for (const worker of domain.workers) {
      programs.set(worker.node, within.worker(domain, worker));
      if (judged === "domains") enders.add(worker.node);
    }
  }
  for (const { node, program } of extra) {
    programs.set(node, program);
    if (judged === "extra") enders.add(node);
  }
  return { programs, enders };
}

/** Watches for the end of a run: when all those whose end it is have ended or left. */
export class Finish {
  readonly #enders: ReadonlySet<NodeId>;
  readonly #open: Set<NodeId>;

  constructor(enders: Iterable<NodeInfo>) {
    this.#enders = new Set([...enders].map(({ id }) => id));
    this.#open = new Set(this.#enders);
  }

  get reached(): boolean {
    return this.#open.size === 0;
  }

  /** A program has returned. */
  ended(node: NodeId): void {
    this.#open.delete(node);
  }

  /** Slots were left or filled. */
  changed(changes: readonly MemberChange[]): void {
    for (const { node, present } of changes) {
      if (!present) this.#open.delete(node);
      else if (this.#enders.has(node)) this.#open.add(node);
    }
  }
}
