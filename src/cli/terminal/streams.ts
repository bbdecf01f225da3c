/** Runs on streams in the terminal: error of each site while they go on, and the table at the end. */
import { bytes, percent, seconds } from "../../run/format.ts";
import type { CompareRow } from "../../run/rows.ts";
import { errorOf, SHOWN } from "../../run/stream-measures.ts";
import { streamColumns } from "../../run/stream-table.ts";
import type { SiteStreamView, StreamsView } from "../../run/stream-view.ts";
import type { RunView } from "../../run/view.ts";
import { type Column, clipped, layout, sparkline } from "./columns.ts";
import type { Paint } from "./paint.ts";

/** Error of the last batches, over all sites; NaN before the first. */
export function recentError({ sites }: StreamsView): number {
  let errors = 0;
  let examples = 0;
  for (const site of sites.values()) {
    for (const value of site.errors.slice(-SHOWN)) errors += value;
    for (const value of site.examples.slice(-SHOWN)) examples += value;
  }
  return errors / examples;
}

/** Batches of the site that is furthest behind. */
export const batchesDone = ({ sites }: StreamsView): number =>
  Math.min(...[...sites.values()].map((site) => site.examples.length));

const errorText = (error: number): string => (Number.isNaN(error) ? "-" : percent(error));

export const streamFacts = (view: RunView, streams: StreamsView): string =>
  `batch ${batchesDone(streams)}, error ${errorText(recentError(streams))}, WAN ${bytes(view.wanBytes)}`;

/** What stands over the sites. */
export function streamOverall(
  view: RunView,
  streams: StreamsView,
  width: number,
  color: Paint,
): string[] {
  const facts = [
    `time ${seconds(view.seconds)}`,
    `batch ${batchesDone(streams)}`,
    `WAN ${bytes(view.wanBytes)}`,
    `USD ${view.egressDollars.toFixed(3)}`,
  ];
  return [
    `${color.strong(`error ${errorText(recentError(streams))}`)} ${color.faint(`last ${SHOWN} batches`)}`,
    clipped(facts.join(" · "), width),
  ];
}

/** A line a site: its error now and over time, and what it last noticed or took. */
export function streamSiteLines(
  view: RunView,
  { sites }: StreamsView,
  width: number,
  room: number,
  color: Paint,
): string[] {
  const all = [...view.sites.values()].flatMap(({ id, name }) => {
    const site = sites.get(id);
    return site ? [{ name, site }] : [];
  });
  const shown = all.slice(0, all.length > room ? Math.max(1, room - 1) : all.length);
  const cells = (of: (site: SiteStreamView) => string): string[] =>
    shown.map(({ site }) => of(site));
  const columns: Column[] = [
    { head: "site", rank: 0, align: "left", cells: shown.map(({ name }) => clipped(name, 14)) },
    { head: "batch", rank: 1, cells: cells((site) => String(site.examples.length)) },
    { head: "error", rank: 0, cells: cells((site) => errorText(lately(site))) },
    { head: "over time", rank: 1, align: "left", cells: cells(curve) },
    { head: "model", rank: 3, cells: cells((site) => bytes(site.modelBytes)) },
    { head: "last", rank: 2, align: "left", cells: cells((site) => lastMark(view, site)) },
  ];
  const [head = "", ...lines] = layout(columns, width);
  const left = all.length - shown.length;
  return [
    color.faint(head),
    ...lines,
    ...(left > 0 ? [color.faint(`… and ${left} more sites`)] : []),
  ];
}

const lately = (site: SiteStreamView): number =>
  errorOf(site, site.examples.length - SHOWN, site.examples.length);

const CURVE = 24;

function curve(site: SiteStreamView): string {
  const step = Math.max(1, Math.ceil(site.examples.length / CURVE));
  const points: number[] = [];
  for (let batch = 0; batch < site.examples.length; batch += step)
    points.push(errorOf(site, batch, batch + step));
  return sparkline(
    points.filter((point) => !Number.isNaN(point)),
    CURVE,
  );
}

const WORDS = {
  shift: "shifted",
  drift: "drift noticed",
  request: "asked",
  accept: "took from",
  reject: "refused",
} as const;

function lastMark(view: RunView, { marks }: SiteStreamView): string {
  const last = marks.at(-1);
  if (!last) return "";
  const peer = last.peer === undefined ? "" : ` ${view.sites.get(last.peer)?.name ?? last.peer}`;
  return clipped(`${last.batch}: ${WORDS[last.mark]}${peer}`, 28);
}

/** The table at the end. */
export function streamSummary(rows: readonly CompareRow[], width: number, color: Paint): string[] {
  const columns: Column[] = [
    { head: "run", rank: 0, align: "left", cells: rows.map((row) => color.strong(row.name)) },
    ...streamColumns(rows).map(({ head, rank, text }) => ({ head, rank, cells: rows.map(text) })),
  ];
  const [head = "", ...lines] = layout(columns, width);
  return [color.faint(head), ...lines];
}

/** A row that has ended, in a line. */
export const streamRowText = ({ streams }: CompareRow): string | undefined =>
  streams && `error ${percent(streams.error)}`;
