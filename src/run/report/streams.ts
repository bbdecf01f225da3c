/** The part of a report that only runs on streams have: their table, their curves, and a picture of each site. */
import { bytes, percent, seconds } from "../format.ts";
import type { CompareRow } from "../rows.ts";
import { segmentsOf } from "../stream-measures.ts";
import { streamColumns } from "../stream-table.ts";
import type { StreamsView } from "../stream-view.ts";
import { type Chart, lineChart, type Series } from "./chart.ts";
import { type Html, html } from "./html.ts";
import type { ReportRun } from "./page.ts";
import { sitePictures } from "./stream-sites.ts";

/** Batches of the curve after a shift. */
const AFTER = 100;
/** Batches that a point of it takes together. */
const TOGETHER = 5;

/** One line a run. */
export function streamTable(rows: readonly CompareRow[], colors: readonly number[]): Html {
  const columns = streamColumns(rows);
  return html`<div class="scroll" tabindex="0" role="region" aria-label="Runs"><table>
<caption>Every batch is predicted before it is learned. What a column is, its head says when pointed at.</caption>
<thead><tr><th scope="col">run</th>${columns.map(({ head, title }) => html`<th scope="col" title="${title}">${head}</th>`)}</tr></thead>
<tbody>${rows.map(
    (row, i) =>
      html`<tr><th scope="row"><span class="swatch c${colors[i] ?? 0}"></span>${row.name}</th>${columns.map(
        ({ text }) => html`<td>${text(row)}</td>`,
      )}</tr>`,
  )}</tbody></table></div>`;
}

interface Shown {
  readonly run: ReportRun;
  readonly streams: StreamsView;
  readonly color: number;
  readonly main: boolean;
}

/** Curves over all sites, then every site. */
export function streamSection(runs: readonly ReportRun[], colors: readonly number[]): Html {
  const subject = mainRun(runs);
  const shown = runs.flatMap((run, i): Shown[] => {
    const { streams } = run.view;
    if (!streams) return [];
    const color = runs.length === 1 ? 1 : (colors[i] ?? 0);
    return [{ run, streams, color, main: run === subject }];
  });
  const pictured = shown.map(({ run, streams, color, main }) => ({
    name: run.row.name,
    streams,
    color,
    main,
  }));
  const names = new Map([...(subject?.view.sites ?? [])].map(([id, { name }]) => [id, name]));
  return html`<h2>On the way</h2><div class="charts">${[
    errorChart(shown),
    afterShifts(shown),
    bytesChart(shown),
  ]}</div>
<h2>Site by site</h2>${sitePictures(pictured, names)}`;
}

const BASELINES = ["none", "centralize", "federated"];

/** Whose marks are drawn: the first run that is no baseline. */
const mainRun = (runs: readonly ReportRun[]): ReportRun | undefined =>
  runs.find(({ row }) => !BASELINES.includes(row.between)) ?? runs.at(-1);

const shareText = (share: number): string =>
  percent(share, share * 100 === Math.round(share * 100) ? 0 : 1);
const batchText = (batch: number): string => `${Math.round(batch)}`;

const chartOf = (
  id: string,
  title: string,
  xLabel: string,
  series: readonly Series[],
): Html | undefined => {
  const words = { xText: batchText, yText: shareText, yLabel: "Error" };
  const chart: Chart = { id, title, xLabel, series, ...words, yRange: [0, 0.05] };
  return lineChart(chart);
};

/** Errors of all sites together, some batches a point. */
function errorChart(shown: readonly Shown[]): Html | undefined {
  const series = shown.map(({ run, streams, color, main }) => {
    const sites = [...streams.sites.values()];
    const length = Math.max(...sites.map(({ examples }) => examples.length));
    const step = Math.max(TOGETHER, Math.ceil(length / 120));
    const points: { x: number; y: number }[] = [];
    // The first batches of models that know nothing would flatten all that follows.
    for (let from = length > 100 ? 20 : 0; from < length; from += step) {
      const stretches = sites.map((site) => ({ site, from, to: from + step }));
      const y = pooledError(stretches);
      if (y !== undefined) points.push({ x: from + step / 2, y });
    }
    return { name: run.row.name, color, main, points };
  });
  return chartOf("stream-error", "Error over all sites by batch", "Batch", series);
}

/** Errors after the shifts of all sites, laid over each other. */
function afterShifts(shown: readonly Shown[]): Html | undefined {
  const series = shown.map(({ run, streams, color, main }) => {
    const segments = [...streams.sites.values()].flatMap((site) =>
      segmentsOf(site).map((segment) => ({ site, ...segment })),
    );
    const points: { x: number; y: number }[] = [];
    for (let k = 0; k < AFTER && segments.length > 0; k += 2) {
      const stretches = segments
        .filter(({ from, to }) => from + k + TOGETHER <= to)
        .map(({ site, from }) => ({ site, from: from + k, to: from + k + TOGETHER }));
      const y = pooledError(stretches);
      if (y !== undefined && stretches.length === segments.length) points.push({ x: k, y });
    }
    return { name: run.row.name, color, main, points };
  });
  return chartOf(
    "stream-shift",
    "Error after a shift, mean of all",
    "Batches since the shift",
    series,
  );
}

type Stretch = {
  readonly site: { readonly errors: readonly number[]; readonly examples: readonly number[] };
  readonly from: number;
  readonly to: number;
};

function pooledError(stretches: readonly Stretch[]): number | undefined {
  let errors = 0;
  let examples = 0;
  for (const { site, from, to } of stretches) {
    for (const value of site.errors.slice(from, to)) errors += value;
    for (const value of site.examples.slice(from, to)) examples += value;
  }
  return examples === 0 ? undefined : errors / examples;
}

function bytesChart(shown: readonly Shown[]): Html | undefined {
  const series = shown.map(({ run, streams, color, main }) => ({
    name: run.row.name,
    color,
    main,
    points: streams.wan.map(({ seconds: x, bytes: y }) => ({ x, y })),
  }));
  return lineChart({
    id: "stream-bytes",
    title: "Bytes over the WAN by time",
    xLabel: "Time",
    yLabel: "WAN bytes",
    xText: seconds,
    yText: bytes,
    series,
  });
}
