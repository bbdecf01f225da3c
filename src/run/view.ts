/**
 * The state of a run as a fold of its events: all that a terminal, report or table shows. It knows no
 * protocol by name; what a protocol says arrives as named metrics. The same events give the same view,
 * live or read back from events.ndjson.
 */
import type { Metrics, RunEnded, RunEvent } from "../core/events.ts";
import type { StopSpec } from "./spec.ts";
import { applyToStreams, emptyStreams, type StreamsView } from "./stream-view.ts";

/** What a run aims at; several goals are met together. */
export type Target = Pick<StopSpec, "accuracy" | "rmse" | "loss">;

export interface SiteView {
  readonly id: string;
  readonly name: string;
  /** The clock of the site's slowest worker, and the loss of the last clock that one finished. */
  clock: number;
  loss: number | undefined;
  /** Mean of the site's workers, in seconds of the world's time. */
  computeSeconds: number;
  waitSeconds: number;
  /** The part of the waiting with one's data on a wire, where the run measured it. */
  wireSeconds: number | undefined;
  /** To and from other sites. */
  bytesSent: number;
  bytesReceived: number;
  /** How many clocks of this site waited last for whom. */
  readonly waitedFor: Map<string, number>;
  accuracy: number | undefined;
  rmse: number | undefined;
}

export interface Point {
  /** Seconds of the world's time since the start. */
  readonly seconds: number;
  readonly clock: number;
  /** NaN where the model has diverged. */
  readonly loss: number;
  readonly accuracy: number | undefined;
  readonly rmse: number | undefined;
  /** Bytes on wide-area links until then. */
  readonly wanBytes: number;
}

/** A named number of the run over time, over all sites. */
export interface MetricView {
  last: number;
  sum: number;
  count: number;
  readonly points: { readonly seconds: number; readonly value: number }[];
}

/** What was measured of an ordered pair of sites beside what was declared; several hosts may have told. */
export interface LinkView {
  /** Bits a second. */
  readonly goodput: number | undefined;
  readonly roundTripMicros: number | undefined;
  readonly declared: { readonly bandwidth: number; readonly roundTripMicros: number };
}

interface WorkerView {
  clock: number;
  computeMicros: number;
  waitMicros: number;
  wireMicros: number;
}

export interface RunView {
  name: string;
  /** The resolved specification, as the first event has it. */
  spec: unknown;
  parameters: number;
  workers: number;
  target: Target;
  seconds: number;
  readonly sites: Map<string, SiteView>;
  readonly nodes: Map<string, Map<string, WorkerView>>;
  /** Judgements on held-out data while the run went on. */
  readonly evaluations: Point[];
  /** The last judgement, on all test data. */
  final: Point | undefined;
  /** Bytes by sender, then receiver; a site's own network on the diagonal. */
  readonly pairs: Map<string, Map<string, number>>;
  readonly bytesByKind: Map<string, number>;
  /** By sender, then receiver, where a run has told. */
  readonly links: Map<string, Map<string, LinkView>>;
  wanBytes: number;
  lanBytes: number;
  egressDollars: number;
  readonly metrics: Map<string, MetricView>;
  readonly notes: string[];
  readonly faults: { readonly seconds: number; readonly fault: string; readonly target: string }[];
  /** Seconds at which the target was met first. */
  reachedAt: number | undefined;
  /** Of a run on streams. */
  streams: StreamsView | undefined;
  end: { readonly reason: RunEnded["reason"]; readonly message: string | undefined } | undefined;
}

/** A run of which nothing is known yet. */
export const emptyView = (): RunView => ({
  name: "",
  spec: undefined,
  parameters: 0,
  workers: 0,
  target: {},
  seconds: 0,
  sites: new Map(),
  nodes: new Map(),
  evaluations: [],
  final: undefined,
  pairs: new Map(),
  bytesByKind: new Map(),
  links: new Map(),
  wanBytes: 0,
  lanBytes: 0,
  egressDollars: 0,
  metrics: new Map(),
  notes: [],
  faults: [],
  reachedAt: undefined,
  streams: undefined,
  end: undefined,
});

export function foldEvents(events: Iterable<RunEvent>): RunView {
  const view = emptyView();
  for (const event of events) applyEvent(view, event);
  return view;
}

/** Takes one more event into the view, in the order of the log. */
export function applyEvent(view: RunView, event: RunEvent): void {
  view.seconds = Math.max(view.seconds, event.t / 1e6);
  if (event.type === "stream" || event.type === "mark") view.streams ??= emptyStreams();
  apply(view, event);
  if (view.streams) applyToStreams(view.streams, event, view.wanBytes);
}

function apply(view: RunView, event: RunEvent): void {
  switch (event.type) {
    case "run":
      start(view, event);
      return;
    case "clock":
      advance(view, event);
      return;
    case "traffic":
      count(view, event);
      return;
    case "link":
      link(view, event);
      return;
    case "evaluation":
      judge(view, event);
      return;
    case "metric":
      measure(view, event);
      return;
    case "note":
      view.notes.push(event.text);
      return;
    case "fault":
      view.faults.push({ seconds: event.t / 1e6, fault: event.fault, target: event.target });
      return;
    case "end":
      view.end = { reason: event.reason, message: event.message };
      return;
    case "stream":
    case "mark":
      return;
    default:
      event satisfies never;
  }
}

type Of<T extends RunEvent["type"]> = Extract<RunEvent, { readonly type: T }>;

function start(view: RunView, event: Of<"run">): void {
  view.name = event.name;
  view.spec = event.spec;
  view.parameters = event.parameters;
  view.workers = event.workers;
  const { accuracy, rmse, loss } = (event.spec as { stop?: Target } | undefined)?.stop ?? {};
  view.target = { accuracy, rmse, loss };
  for (const site of event.sites) siteOf(view, site.id, site.name);
}

function siteOf(view: RunView, id: string, name = id): SiteView {
  let site = view.sites.get(id);
  if (!site) {
    site = {
      id,
      name,
      clock: 0,
      loss: undefined,
      computeSeconds: 0,
      waitSeconds: 0,
      wireSeconds: undefined,
      bytesSent: 0,
      bytesReceived: 0,
      waitedFor: new Map(),
      accuracy: undefined,
      rmse: undefined,
    };
    view.sites.set(id, site);
  }
  return site;
}

function advance(view: RunView, event: Of<"clock">): void {
  const site = siteOf(view, event.site);
  let nodes = view.nodes.get(event.site);
  if (!nodes) view.nodes.set(event.site, (nodes = new Map()));
  let node = nodes.get(event.node);
  if (!node)
    nodes.set(event.node, (node = { clock: 0, computeMicros: 0, waitMicros: 0, wireMicros: 0 }));
  node.clock = event.clock;
  node.computeMicros += event.computeMicros;
  node.waitMicros += event.waitMicros;
  node.wireMicros += event.wireMicros ?? 0;
  let compute = 0;
  let wait = 0;
  let wire = 0;
  let slowest = Number.POSITIVE_INFINITY;
  for (const worker of nodes.values()) {
    compute += worker.computeMicros;
    wait += worker.waitMicros;
    wire += worker.wireMicros;
    slowest = Math.min(slowest, worker.clock);
  }
  site.clock = slowest;
  site.loss = event.loss;
  site.computeSeconds = compute / nodes.size / 1e6;
  site.waitSeconds = wait / nodes.size / 1e6;
  if (event.wireMicros !== undefined) site.wireSeconds = wire / nodes.size / 1e6;
  for (const whom of event.waitedFor ?? []) {
    site.waitedFor.set(whom, (site.waitedFor.get(whom) ?? 0) + 1);
  }
}

function count(view: RunView, event: Of<"traffic">): void {
  let row = view.pairs.get(event.from);
  if (!row) view.pairs.set(event.from, (row = new Map()));
  row.set(event.to, (row.get(event.to) ?? 0) + event.bytes);
  view.bytesByKind.set(event.kind, (view.bytesByKind.get(event.kind) ?? 0) + event.bytes);
  view.egressDollars += event.dollars;
  if (event.wan) view.wanBytes += event.bytes;
  else view.lanBytes += event.bytes;
  if (event.from !== event.to) {
    siteOf(view, event.from).bytesSent += event.bytes;
    siteOf(view, event.to).bytesReceived += event.bytes;
  }
}

function link(view: RunView, { from, to, goodput, roundTripMicros, declared }: Of<"link">): void {
  let row = view.links.get(from);
  if (!row) view.links.set(from, (row = new Map()));
  const known = row.get(to);
  const trips = [known?.roundTripMicros, roundTripMicros].filter((trip) => trip !== undefined);
  row.set(to, {
    goodput: Math.max(known?.goodput ?? 0, goodput ?? 0) || undefined,
    roundTripMicros: trips.length === 0 ? undefined : Math.min(...trips),
    declared,
  });
}

/** Whether the metrics meet every goal of the target; nothing where there is no goal. */
export function meets(metrics: Omit<Metrics, "examples">, target: Target): boolean | undefined {
  const goals = [
    target.accuracy === undefined ? undefined : (metrics.accuracy ?? 0) >= target.accuracy,
    target.rmse === undefined
      ? undefined
      : (metrics.rmse ?? Number.POSITIVE_INFINITY) <= target.rmse,
    target.loss === undefined ? undefined : metrics.loss <= target.loss,
  ].filter((goal) => goal !== undefined);
  return goals.length === 0 ? undefined : goals.every((goal) => goal);
}

/** A diverged model's loss is no number, and stands in a log as null. */
const finite = (value: number | null): number =>
  value !== null && Number.isFinite(value) ? value : Number.NaN;

function judge(view: RunView, event: Of<"evaluation">): void {
  const { accuracy, rmse } = event.metrics;
  const loss = finite(event.metrics.loss);
  const seconds = event.t / 1e6;
  const point = { seconds, clock: event.clock, loss, accuracy, rmse, wanBytes: view.wanBytes };
  if (event.final) view.final = point;
  else view.evaluations.push(point);
  if (view.reachedAt === undefined && meets(event.metrics, view.target)) view.reachedAt = seconds;
  for (const [id, metrics] of Object.entries(event.sites ?? {})) {
    const site = view.sites.get(id);
    if (!site) continue;
    site.accuracy = metrics.accuracy;
    site.rmse = metrics.rmse;
  }
}

function measure(view: RunView, event: Of<"metric">): void {
  let metric = view.metrics.get(event.name);
  if (!metric) {
    metric = { last: event.value, sum: 0, count: 0, points: [] };
    view.metrics.set(event.name, metric);
  }
  metric.last = event.value;
  metric.sum += event.value;
  metric.count += 1;
  metric.points.push({ seconds: event.t / 1e6, value: event.value });
}
