/**
 * What crossed which border, as a fold of a run's event log: messages and bytes by ordered pair of sites and message
 * kind, what the kind declares to carry, and the policy of the sender's site. The log is written where the policy is
 * enforced, from the same declaration of the kind, so the two cannot say different things.
 */
import type { Cargo, RunEvent, RunStarted, TrafficEvent } from "../core/events.ts";
import type { Bytes, Micros } from "../core/units.ts";
import { mayLeave, type RunSpec } from "./spec.ts";

export interface Crossing {
  readonly from: string;
  readonly to: string;
  readonly kind: string;
  /** Undefined where the log is of a version that did not say it. */
  readonly carries: Cargo | undefined;
  readonly messages: number;
  /** On the wire, headers included. */
  readonly bytes: Bytes;
  /** Messages that the policy did not let go. */
  readonly refused: number;
  /** Of the sender's site. */
  readonly policy: Policy;
}

/** What a site's policy says of its records, and where in the experiment it stands. */
export interface Policy {
  readonly records: "stay" | "may-move";
  readonly path: string;
}

export interface Audit {
  readonly run: string;
  readonly world: "simulated" | "local" | "cluster";
  readonly sites: number;
  /** By sender, receiver and kind; what stayed inside a site is not here. */
  readonly crossings: readonly Crossing[];
  /** Why the run ended; undefined where the log is cut off. */
  readonly ended: string | undefined;
  /** Another coordinator led the run until then: what crossed before is not in this log. */
  readonly since?: Micros | undefined;
}

/** The fold, an event at a time. */
export class Ledger {
  readonly #crossings = new Map<string, Omit<Crossing, "policy">>();
  #run: RunStarted | undefined;
  #ended: string | undefined;

  enter(event: RunEvent): void {
    if (event.type === "run") this.#run = event;
    if (event.type === "end")
      this.#ended = event.message ? `${event.reason}: ${event.message}` : event.reason;
    if (event.type === "traffic" && event.from !== event.to) this.#cross(event);
  }

  /** Undefined where the log does not say which run it is of. */
  audit(): Audit | undefined {
    if (!this.#run) return undefined;
    const { name, sites } = this.#run;
    const spec = this.#run.spec as RunSpec;
    const sorted = [...this.#crossings].sort(([a], [b]) => (a < b ? -1 : 1));
    return {
      run: name,
      world: typeof spec.world === "string" ? spec.world : spec.world.kind,
      sites: sites.length,
      crossings: sorted.map(([, each]) => ({ ...each, policy: policyOf(spec, each.from) })),
      ended: this.#ended,
      ...(this.#run.since !== undefined && { since: this.#run.since }),
    };
  }

  #cross({ from, to, kind, carries, messages, bytes, refused = 0 }: TrafficEvent): void {
    const key = JSON.stringify([from, to, kind, carries]);
    const known = this.#crossings.get(key);
    this.#crossings.set(key, {
      ...{ from, to, kind, carries },
      messages: messages + (known?.messages ?? 0),
      bytes: bytes + (known?.bytes ?? 0),
      refused: refused + (known?.refused ?? 0),
    });
  }
}

const policyOf = (spec: RunSpec, site: string): Policy => ({
  records: mayLeave(spec, site) ? "may-move" : "stay",
  path: site in spec.policy.sites ? `policy.sites.${site}` : "policy.default",
});

/** Records that crossed although the policy keeps them: no run of ours has any. */
export const violations = ({ crossings }: Audit): readonly Crossing[] =>
  crossings.filter(
    ({ carries, messages, policy }) =>
      carries === "records" && messages > 0 && policy.records === "stay",
  );
