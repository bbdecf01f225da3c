/**
 * What the log of a later coordinator lacks. Hosts tell it again all that they have told (`Member.keepEvents`); what hosts
 * had told that died before it came is gone with the coordinator before.
 */
import type { RunEvent } from "../core/events.ts";
import type { SiteId } from "../core/ids.ts";

export class StreamGaps {
  /** The first batch of each site that this log holds. */
  readonly #first: Map<SiteId, number | undefined>;

  constructor(sites: readonly SiteId[]) {
    this.#first = new Map(sites.map((site) => [site, undefined]));
  }

  apply(event: RunEvent): void {
    if (event.type === "stream" && this.#first.get(event.site) === undefined)
      this.#first.set(event.site, event.batch);
  }

  /** For the user; nothing where nothing is lacking. */
  text(): string | undefined {
    const lacking = [...this.#first].flatMap(([site, first]) => {
      if (first === undefined) return [`all of ${site}`];
      return first > 0 ? [`${site} before batch ${first}`] : [];
    });
    if (lacking.length === 0) return undefined;
    return `this log lacks ${lacking.join(", ")}: hosts had told the coordinator before, and have ended; errors, counts and bytes are without it`;
  }
}
