/**
 * Line charts as plain SVG: no library, readable without a script. Each is drawn with a linear and a
 * logarithmic x axis, and two radio buttons choose (style alone, no script). The points travel beside it as
 * data for the cross-hair.
 */
import { type Html, html, jsonData } from "./html.ts";
import { decimate, linearScale, logScale, type Scale } from "./scale.ts";

export interface Series {
  readonly name: string;
  /** Position in the palette; 0 is the neutral one. */
  readonly color: number;
  /** Drawn heavier: the run that the report is about. */
  readonly main?: boolean | undefined;
  readonly points: readonly { readonly x: number; readonly y: number }[];
}

export interface Chart {
  readonly id: string;
  readonly title: string;
  readonly xLabel: string;
  readonly yLabel: string;
  readonly xText: (x: number) => string;
  readonly yText: (y: number) => string;
  readonly series: readonly Series[];
  /** A line across: the target. */
  readonly goal?: number | undefined;
  /** Smallest and largest y to show at least. */
  readonly yRange?: readonly [number, number] | undefined;
}

const WIDTH = 640;
const HEIGHT = 340;
const LEFT = 58;
const RIGHT = 108;
const TOP = 14;
const BOTTOM = 44;
const PLOT_WIDTH = WIDTH - LEFT - RIGHT;
const PLOT_HEIGHT = HEIGHT - TOP - BOTTOM;
const MOST_POINTS = 160;

const round = (value: number): number => Math.round(value * 10) / 10;

/** The chart with both scales; nothing where no series has a point. */
export function lineChart(chart: Chart): Html | undefined {
  const series = chart.series.filter((one) => one.points.length > 0);
  if (series.length === 0) return undefined;
  const xs = series.flatMap((one) => one.points.map((point) => point.x)).filter((x) => x > 0);
  const largest = Math.max(...xs, 0);
  const smallest = Math.min(...xs);
  const ends = series.map((one) => one.points.at(-1)!.x).filter((x) => x > 0);
  const wide = ends.length > 1 && Math.max(...ends) / Math.min(...ends) > 8;
  const drawn = { ...chart, series };
  const canLog = xs.length > 0 && largest / smallest > 5;
  const linear = plot(drawn, linearScale(0, largest || 1));
  if (!canLog) return figure(chart, html`<div class="plot">${linear}</div>`);
  const log = plot(drawn, logScale(smallest, largest));
  const name = `scale-${chart.id}`;
  return figure(
    chart,
    html`<div class="plot scaled">
<input type="radio" id="${name}-lin" name="${name}" class="pick-lin"${!wide && html` checked`}>
<label for="${name}-lin">linear</label>
<input type="radio" id="${name}-log" name="${name}" class="pick-log"${wide && html` checked`}>
<label for="${name}-log">logarithmic</label>
<div class="lin">${linear}</div><div class="log">${log}</div></div>`,
  );
}

const figure = (chart: Chart, body: Html): Html =>
  html`<figure id="${chart.id}"><figcaption><h3>${chart.title}</h3></figcaption>${body}</figure>`;

function yScale(chart: Chart): Scale {
  const ys = chart.series.flatMap((one) => one.points.map((point) => point.y));
  // The first judgement of an untrained model must not flatten all that follows.
  const sorted = [...ys].sort((a, b) => a - b);
  const low = Math.min(sorted[0] ?? 0, chart.goal ?? Number.POSITIVE_INFINITY);
  const high = Math.max(sorted.at(-1) ?? 1, chart.goal ?? Number.NEGATIVE_INFINITY);
  const [from, to] = chart.yRange ?? [low, high];
  return linearScale(Math.min(low, from), Math.max(high, to));
}

function plot(chart: Chart, x: Scale): Html {
  const y = yScale(chart);
  const px = (value: number): number => round(LEFT + x.at(value) * PLOT_WIDTH);
  const py = (value: number): number => round(TOP + (1 - y.at(value)) * PLOT_HEIGHT);
  const lines = chart.series.map((one) => {
    const points = one.points
      .filter((point) => !x.log || point.x > 0)
      .map((point) => ({ x: px(point.x), y: py(point.y), from: point }));
    return { ...one, drawn: decimate(points, MOST_POINTS) };
  });
  const data = lines.map((line) => ({
    name: line.name,
    color: line.color,
    points: line.drawn.map((p) => [p.x, p.y, chart.xText(p.from.x), chart.yText(p.from.y)]),
  }));
  const summary = lines
    .map((line) => `${line.name} ends at ${chart.yText(line.points.at(-1)!.y)}`)
    .join("; ");
  return html`<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" tabindex="0" aria-label="${chart.title}. ${summary}.">
${axes(chart, x, y, px, py)}
${
  chart.goal !== undefined &&
  html`<line class="goal" x1="${LEFT}" x2="${LEFT + PLOT_WIDTH}" y1="${py(chart.goal)}" y2="${py(chart.goal)}"/>
<text class="goal-text" x="${LEFT + 6}" y="${py(chart.goal) - 5}">target ${chart.yText(chart.goal)}</text>`
}
${lines.map(
  (line) =>
    html`<path class="line c${line.color}${line.main === true && " main"}" d="${pathOf(line.drawn)}"/>${markers(line.drawn, line.color)}`,
)}
${endLabels(lines)}
</svg><script type="application/json" class="points">${jsonData(data)}</script>`;
}

const pathOf = (points: readonly { readonly x: number; readonly y: number }[]): string =>
  points.map((point, i) => `${i === 0 ? "M" : "L"}${point.x} ${point.y}`).join("");

/** A dot at the end of a line, and at every point where there are few. */
const markers = (
  points: readonly { readonly x: number; readonly y: number }[],
  color: number,
): readonly Html[] =>
  (points.length <= 12 ? points : points.slice(-1)).map(
    (point) => html`<circle class="dot c${color}" cx="${point.x}" cy="${point.y}" r="3"/>`,
  );

function axes(
  chart: Chart,
  x: Scale,
  y: Scale,
  px: (value: number) => number,
  py: (value: number) => number,
): Html {
  const bottom = TOP + PLOT_HEIGHT;
  return html`<g class="grid">${y.ticks.map(
    (tick) =>
      html`<line x1="${LEFT}" x2="${LEFT + PLOT_WIDTH}" y1="${py(tick)}" y2="${py(tick)}"/>`,
  )}</g><line class="axis" x1="${LEFT}" x2="${LEFT + PLOT_WIDTH}" y1="${bottom}" y2="${bottom}"/>
<g class="ticks y">${y.ticks.map(
    (tick) => html`<text x="${LEFT - 8}" y="${py(tick) + 4}">${tickText(chart.yText(tick))}</text>`,
  )}</g><g class="ticks x">${thinned(x, px).map(
    (tick) => html`<line x1="${px(tick)}" x2="${px(tick)}" y1="${bottom}" y2="${bottom + 4}"/>
<text x="${px(tick)}" y="${bottom + 17}">${tickText(chart.xText(tick))}</text>`,
  )}</g><text class="label" x="${LEFT + PLOT_WIDTH / 2}" y="${HEIGHT - 6}">${chart.xLabel}${x.log ? " (logarithmic)" : ""}</text>
<text class="label" transform="translate(13 ${TOP + PLOT_HEIGHT / 2}) rotate(-90)">${chart.yLabel}</text>`;
}

/** `1.00 s` as `1 s`, `2.50 GB` as `2.5 GB`. */
const tickText = (text: string): string =>
  text.replace(/(\.\d*?)0+(?=\s|$)/, "$1").replace(/\.(?=\s|$)/, "");

/** Ticks whose texts do not touch. */
function thinned(x: Scale, px: (value: number) => number): readonly number[] {
  const kept: number[] = [];
  for (const tick of x.ticks) {
    if (kept.length === 0 || px(tick) - px(kept.at(-1)!) >= 52) kept.push(tick);
  }
  return kept;
}

interface Drawn extends Series {
  readonly drawn: readonly { readonly x: number; readonly y: number }[];
}

const GAP = 14;

/** Names beside the ends of their lines, moved towards the middle where they would touch. */
function endLabels(lines: readonly Drawn[]): Html[] {
  const placed: { readonly x: number; readonly y: number }[] = [];
  const free = (x: number, y: number): boolean =>
    placed.every((other) => Math.abs(other.x - x) > 100 || Math.abs(other.y - y) >= GAP);
  return lines.flatMap((line) => {
    const end = line.drawn.at(-1);
    if (!end) return [];
    const step = end.y > TOP + PLOT_HEIGHT / 2 ? -GAP : GAP;
    const x = end.x + 9;
    let y = end.y + 4;
    while (!free(x, y)) y = round(y + step);
    placed.push({ x, y });
    return [
      html`<text class="name c${line.color}" x="${x}" y="${y}">${shortened(line.name)}</text>`,
    ];
  });
}

const shortened = (name: string): string => (name.length > 15 ? `${name.slice(0, 14)}…` : name);
