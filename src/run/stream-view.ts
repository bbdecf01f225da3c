/**
 * What a run on streams has shown so far, as a fold of its events: each site's errors batch by batch, what happened
 * beside them, bytes and training. It knows no protocol by name.
 */
import type { MarkEvent, RunEvent } from "../core/events.ts";

export interface Mark {
  readonly batch: number;
  readonly mark: MarkEvent["mark"];
  readonly text: string | undefined;
  readonly peer: string | undefined;
}

export interface SiteStreamView {
  readonly id: string;
  /** By batch; a batch that was lost (its site was down) has no examples. */
  readonly examples: number[];
  readonly errors: number[];
  /** Examples by class, where the events tell. */
  readonly classCounts: (readonly number[] | undefined)[];
  readonly marks: Mark[];
  modelBytes: number;
  /** Operations of training, here. */
  trainFlops: number;
}

export interface StreamsView {
  readonly sites: Map<string, SiteStreamView>;
  /** Operations of training at nodes that are no site of a stream (a centre), by who trained. */
  readonly centreFlops: Map<string, number>;
  /** Bytes on wide-area links since the start, after each flush of the counters. */
  readonly wan: { readonly seconds: number; readonly bytes: number }[];
}

export const emptyStreams = (): StreamsView => ({
  sites: new Map(),
  centreFlops: new Map(),
  wan: [],
});

/** Named numbers that count training outside the streams' sites. */
const TRAIN_FLOPS = /\.trainFlops$/;

/** @param wanBytes on wide-area links until this event, itself included. */
export function applyToStreams(view: StreamsView, event: RunEvent, wanBytes: number): void {
  switch (event.type) {
    case "stream": {
      const site = siteOf(view, event.site);
      for (let lost = site.examples.length; lost < event.batch; lost++) put(site, lost, 0, 0);
      put(site, event.batch, event.examples, event.errors);
      site.classCounts[event.batch] = event.classCounts;
      site.modelBytes = event.modelBytes;
      site.trainFlops += event.flops;
      return;
    }
    case "mark": {
      const { batch, mark, text, peer } = event;
      siteOf(view, event.site).marks.push({ batch, mark, text, peer });
      return;
    }
    case "metric":
      if (TRAIN_FLOPS.test(event.name)) {
        const who = `${event.name} ${event.site ?? ""}`;
        view.centreFlops.set(who, (view.centreFlops.get(who) ?? 0) + event.value);
      }
      return;
    case "traffic": {
      const seconds = event.t / 1e6;
      if (view.wan.at(-1)?.seconds === seconds) view.wan.pop();
      view.wan.push({ seconds, bytes: wanBytes });
      return;
    }
    default:
  }
}

function put(site: SiteStreamView, batch: number, examples: number, errors: number): void {
  site.examples[batch] = examples;
  site.errors[batch] = errors;
}

function siteOf({ sites }: StreamsView, id: string): SiteStreamView {
  let site = sites.get(id);
  if (!site) {
    const none = { examples: [], errors: [], classCounts: [], marks: [] };
    sites.set(id, (site = { id, ...none, modelBytes: 0, trainFlops: 0 }));
  }
  return site;
}
