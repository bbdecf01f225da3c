/**
 * report.html: one self-contained file that opens from disk. One run or a comparison, drawn from views
 * alone; whatever wrote the events, it looks the same.
 */
import { bytes, digits, percent, seconds, targetText } from "../format.ts";
import { LAN_NAME } from "../rowlist.ts";
import type { CompareRow } from "../rows.ts";
import type { Point, RunView, Target } from "../view.ts";
import { type Chart, lineChart } from "./chart.ts";
import { type Html, html, Html as Raw } from "./html.ts";
import { linkTable } from "./links.ts";
import { SCRIPT } from "./script.ts";
import { STREAM_STYLE } from "./stream-sites.ts";
import { streamSection, streamTable } from "./streams.ts";
import { STYLE } from "./style.ts";
import {
  detailTables,
  heatMap,
  rowTable,
  siteTable,
  specTable,
  splitBar,
  splitLegend,
} from "./tables.ts";

/** One run of the report. */
export interface ReportRun {
  readonly row: CompareRow;
  readonly view: RunView;
  readonly origins: Readonly<Record<string, string>>;
}

export interface Report {
  readonly title: string;
  readonly conclusion: string;
  readonly target: Target;
  readonly runs: readonly ReportRun[];
  /** Rows of the table where they differ from those of the runs: means over seeds. */
  readonly rows?: readonly CompareRow[] | undefined;
}

/** The whole document. */
export function reportPage(report: Report): string {
  const { runs } = report;
  const colors = palette(runs.map((run) => run.row.name));
  const notes = [...new Set(runs.flatMap((run) => run.view.notes))];
  const goal = targetText(report.target);
  const page = html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${report.title} · Pangaea</title><style>${new Raw(STYLE + STREAM_STYLE)}</style></head><body>
<header><p class="muted">Pangaea${goal !== "" && ` · target ${goal}`}</p><h1>${report.title}</h1>
<p class="lead">${report.conclusion}</p></header>
<main>${notes.length > 0 && html`<div class="notes" role="note">${notes.map((note) => html`<p>${note}</p>`)}</div>`}
${middle(report, colors)}
<h2>${runs.length > 1 ? "Run by run" : runs[0]?.view.streams ? "Traffic" : "Sites"}</h2>${runs.map((run, i) => section(run, runs.length === 1 || i === runs.length - 1))}
</main><script>${new Raw(SCRIPT)}</script></body></html>
`;
  return page.text;
}

/** Table and charts: those of training, or of streams. */
function middle(report: Report, colors: readonly number[]): Html {
  const { runs } = report;
  const rows = report.rows ?? runs.map((run) => run.row);
  const rowColors = report.rows ? palette(rows.map((row) => row.name)) : colors;
  if (runs.some((run) => run.view.streams))
    return html`${streamTable(rows, rowColors)}${streamSection(runs, colors)}`;
  return html`${rowTable(rows, rowColors)}
<h2>On the way</h2><div class="charts">${charts(report, colors)}</div>
${runs.length > 1 && html`<h2>Where the time went</h2>${splitOfRuns(runs)}`}`;
}

/** The LAN is the neutral yardstick; the others take colours in their order. */
function palette(names: readonly string[]): readonly number[] {
  let next = 0;
  return names.map((name) => (name === LAN_NAME ? 0 : (next++ % 6) + 1));
}

type Measure = (point: Point) => number | undefined;

function charts(report: Report, colors: readonly number[]): readonly (Html | undefined)[] {
  const rated = report.runs.some((run) => allPoints(run).some((p) => p.rmse !== undefined));
  const quality: Measure = (point) => (rated ? point.rmse : point.accuracy);
  const word = rated ? "RMSE" : "Accuracy";
  const qualityText = rated ? (y: number) => y.toFixed(3) : (y: number) => shareText(y);
  const goal = rated ? report.target.rmse : report.target.accuracy;
  const draw = (
    id: string,
    [x, xLabel, xText]: readonly [(p: Point) => number, string, (x: number) => string],
    [y, yLabel, yText]: readonly [Measure, string, (y: number) => string],
    aim: number | undefined,
  ): Html | undefined => {
    const drawn = report.runs.filter((run) => allPoints(run).some((point) => x(point) > 0));
    const series = drawn.map((run) => ({
      name: run.row.name,
      main: run === report.runs.at(-1),
      color: report.runs.length === 1 ? 1 : (colors[report.runs.indexOf(run)] ?? 0),
      points: allPoints(run).flatMap((point) => {
        const value = y(point);
        return value !== undefined && Number.isFinite(value) ? [{ x: x(point), y: value }] : [];
      }),
    }));
    const axis = xLabel.replace(/^Time$/, "time");
    const chart: Chart = {
      id,
      title: `${yLabel} by ${axis}`,
      xLabel,
      yLabel,
      xText,
      yText,
      series,
      goal: aim,
    };
    return lineChart(chart);
  };
  const time = [(p: Point) => p.seconds, "Time", seconds] as const;
  const wan = [(p: Point) => p.wanBytes, "WAN bytes", bytes] as const;
  const lossText = (y: number): string => digits(y);
  return [
    draw("quality-time", time, [quality, word, qualityText], goal),
    draw("quality-bytes", wan, [quality, word, qualityText], goal),
    draw("loss-time", time, [(p) => p.loss, "Loss", lossText], report.target.loss),
    draw("loss-bytes", wan, [(p) => p.loss, "Loss", lossText], report.target.loss),
  ];
}

const allPoints = ({ view }: ReportRun): readonly Point[] =>
  view.evaluations.length > 0 ? view.evaluations : view.final ? [view.final] : [];

const shareText = (share: number): string =>
  percent(share, Math.abs(share * 100 - Math.round(share * 100)) < 1e-6 ? 0 : 1);

function splitOfRuns(runs: readonly ReportRun[]): Html {
  const wire = runs.some((run) => run.row.wireSeconds !== undefined);
  const longest = Math.max(...runs.map(({ row }) => row.computeSeconds + row.waitSeconds));
  return html`${splitLegend(wire)}<table><caption>Mean of the workers</caption><tbody>${runs.map(
    ({ row }) => {
      const total = row.computeSeconds + row.waitSeconds || 1;
      return html`<tr><th scope="row">${row.name}</th><td>${splitBar(row.computeSeconds, row.wireSeconds, row.waitSeconds, longest)}</td>
<td>${splitBar(row.computeSeconds, row.wireSeconds, row.waitSeconds, total)}</td><td>${percent(row.computeSeconds / total, 0)} compute</td></tr>`;
    },
  )}</tbody></table><p class="muted">Left: to one scale. Right: each run's own whole.</p>`;
}

function section(run: ReportRun, open: boolean): Html {
  const { view, row } = run;
  const why = view.end?.message ?? row.end;
  const what = view.streams
    ? `${view.sites.size} sites`
    : `${view.sites.size} sites, ${view.workers} workers, ${view.parameters} parameters`;
  const facts = `${what}; ended after ${seconds(row.seconds)}: ${why}`;
  return html`<details class="run"${open && html` open`}><summary>${row.name} <span class="muted facts">${facts}</span></summary>
${!view.streams && siteTable(view)}<h3>Bytes between sites</h3>${heatMap(view, row.name)}
${linkTable(view)}
${detailTables(view)}${
  view.faults.length > 0 &&
  html`<h3>Faults</h3><ul>${view.faults.map(
    (fault) => html`<li>${seconds(fault.seconds)}: ${fault.fault} ${fault.target}</li>`,
  )}</ul>`
}<details><summary>Specification, resolved</summary>${specTable(view.spec, run.origins)}</details></details>`;
}
