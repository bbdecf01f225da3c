/**
 * The state of one lookup (Kademlia, section 2.3), without time and network: which contacts are known, which have been
 * asked, and whom to ask next. A lookup is over when the k closest that have not failed have all answered.
 */
import type { NodeId } from "../../../../../core/ids.ts";
import { type Contact, compareDistance, type Key } from "./key.ts";

type State = "new" | "asked" | "answered" | "failed";

interface Candidate {
  readonly contact: Contact;
  state: State;
}

export class Shortlist {
  readonly #target: Key;
  readonly #k: number;
  readonly #parallel: number;
  readonly #known = new Map<NodeId, Candidate>();
  /** Closest first. */
  #order: Candidate[] = [];

  /** @param parallel alpha: so many questions are under way at once. */
  constructor(target: Key, k: number, parallel: number, seeds: readonly Contact[]) {
    this.#target = target;
    this.#k = k;
    this.#parallel = parallel;
    this.learn(seeds);
  }

  learn(contacts: readonly Contact[]): void {
    let grown = false;
    for (const contact of contacts) {
      if (this.#known.has(contact.node)) continue;
      const candidate: Candidate = { contact, state: "new" };
      this.#known.set(contact.node, candidate);
      this.#order.push(candidate);
      grown = true;
    }
    if (!grown) return;
    this.#order.sort((a, b) => compareDistance(this.#target, a.contact.key, b.contact.key));
  }

  #front(): Candidate[] {
    return this.#order.filter(({ state }) => state !== "failed").slice(0, this.#k);
  }

  /** Whom to ask now; counted as asked from here on. */
  next(): Contact[] {
    const asked = this.#order.filter(({ state }) => state === "asked").length;
    const chosen = this.#front()
      .filter(({ state }) => state === "new")
      .slice(0, Math.max(0, this.#parallel - asked));
    for (const candidate of chosen) candidate.state = "asked";
    return chosen.map(({ contact }) => contact);
  }

  answered({ node }: Contact): void {
    const candidate = this.#known.get(node);
    if (candidate) candidate.state = "answered";
  }

  /** A late answer of one that was given up takes this back. */
  failed({ node }: Contact): void {
    const candidate = this.#known.get(node);
    if (candidate?.state === "asked") candidate.state = "failed";
  }

  get done(): boolean {
    return this.#front().every(({ state }) => state === "answered");
  }

  /** The k closest that have answered. */
  closest(): Contact[] {
    return this.#order
      .filter(({ state }) => state === "answered")
      .slice(0, this.#k)
      .map(({ contact }) => contact);
  }
}
