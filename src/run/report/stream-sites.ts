/**
 * A picture of each site of runs on streams: the moving error of every run, what happened at the site (the marks of one
 * run), and below it the classes that arrived. Marks differ by shape, not by colour alone, and say when pointed at.
 */
import { percent } from "../format.ts";
import { type Segment, SHOWN, segmentsOf } from "../stream-measures.ts";
import type { Mark, SiteStreamView, StreamsView } from "../stream-view.ts";
import { Html, html } from "./html.ts";
import { linearScale, type Scale } from "./scale.ts";

export interface Pictured {
  readonly name: string;
  readonly streams: StreamsView;
  /** Position in the palette. */
  readonly color: number;
  /** Its marks are drawn. */
  readonly main: boolean;
}

const MOST_SITES = 24;
const MOST_POINTS = 240;
const WIDTH = 560;
const LEFT = 52;
const RIGHT = 16;
/** The lane of marks, the error, the classes. */
const LANE = 20;
const ERROR_HEIGHT = 130;
const ERROR_TOP = LANE + 6;
const MIX_TOP = ERROR_TOP + ERROR_HEIGHT + 22;
const MIX_HEIGHT = 40;
const HEIGHT = MIX_TOP + MIX_HEIGHT + 6;
const PLOT_WIDTH = WIDTH - LEFT - RIGHT;
/** Columns of the classes' picture. */
const MIX_COLUMNS = 60;

const round = (value: number): number => Math.round(value * 10) / 10;

/** The sites that shifted first, where not all are drawn. */
export function sitePictures(runs: readonly Pictured[], names: ReadonlyMap<string, string>): Html {
  const main = runs.find((run) => run.main) ?? runs[0];
  if (!main) return html``;
  const known = [...names.keys()];
  const all = [...main.streams.sites.values()].sort(
    (a, b) => known.indexOf(a.id) - known.indexOf(b.id),
  );
  const shifted = all.filter(({ marks }) => marks.some(({ mark }) => mark !== "drift"));
  const picked = new Set([...shifted, ...all].slice(0, MOST_SITES));
  const sites = all.filter((site) => picked.has(site));
  const left = all.length - sites.length;
  const classes = Math.max(0, ...all.map(({ classCounts }) => classCounts[0]?.length ?? 0));
  const y = errorScale(runs, sites);
  return html`<p class="muted">Moving error: of the ${SHOWN} batches that begin at a batch, up to the next shift. Below: the classes that arrived.${
    left > 0 && ` ${sites.length} of ${all.length} sites, those that shifted first.`
  }</p>${legend(runs, main, classes)}
<div class="sites">${sites.map((site) => picture(site, runs, y, names))}</div>`;
}

/** One scale for all sites; the first batches of models that know nothing must not flatten all that follows. */
function errorScale(runs: readonly Pictured[], sites: readonly SiteStreamView[]): Scale {
  const values = runs
    .flatMap(({ streams }) => sites.map(({ id }) => streams.sites.get(id)))
    .flatMap((site) => (site ? movingError(site).slice(1) : []))
    .map(({ y }) => y)
    .sort((a, b) => a - b);
  const most = values[Math.floor(values.length * 0.97)] ?? 1;
  return linearScale(0, Math.min(1, Math.max(0.05, most)), 4);
}

/** By batch; the window ends where the segment does, so that nothing is seen before it happens. */
function movingError(site: SiteStreamView): { readonly x: number; readonly y: number }[] {
  const length = site.examples.length;
  const borders = [...segmentsOf(site).map(({ from }: Segment) => from), length];
  const errors = sums(site.errors);
  const examples = sums(site.examples);
  const step = Math.max(1, Math.ceil(length / MOST_POINTS));
  const points: { x: number; y: number }[] = [];
  for (let batch = 0; batch < length; batch++) {
    if (batch % step !== 0 && !borders.includes(batch)) continue;
    const end = Math.min(batch + SHOWN, borders.find((border) => border > batch) ?? length);
    const seen = examples[end]! - examples[batch]!;
    if (seen > 0) points.push({ x: batch, y: (errors[end]! - errors[batch]!) / seen });
  }
  return points;
}

/** Entry i is the sum of the first i. */
function sums(values: readonly number[]): readonly number[] {
  const all = [0];
  for (const value of values) all.push(all.at(-1)! + value);
  return all;
}

function picture(
  site: SiteStreamView,
  runs: readonly Pictured[],
  y: Scale,
  names: ReadonlyMap<string, string>,
): Html {
  const length = Math.max(
    1,
    ...runs.map((run) => run.streams.sites.get(site.id)?.examples.length ?? 0),
  );
  const px = (batch: number): number => round(LEFT + (batch / length) * PLOT_WIDTH);
  const py = (error: number): number =>
    round(ERROR_TOP + (1 - Math.min(1, y.at(error))) * ERROR_HEIGHT);
  const name = names.get(site.id) ?? site.id;
  // The line that the report is about lies on top.
  const lines = [...runs.filter((run) => !run.main), ...runs.filter((run) => run.main)].flatMap(
    (run) => {
      const own = run.streams.sites.get(site.id);
      if (!own) return [];
      const path = movingError(own)
        .map((point, i) => `${i === 0 ? "M" : "L"}${px(point.x)} ${py(point.y)}`)
        .join("");
      return [
        html`<path class="line c${run.color}${run.main && " main"}" d="${path}"><title>${run.name}</title></path>`,
      ];
    },
  );
  const what = site.marks
    .filter(({ mark }) => mark === "shift")
    .map((mark) => markText(mark, names));
  const said = `${name}: moving error by batch. ${what.join("; ")}`;
  return html`<figure class="site"><figcaption><h3>${name}</h3></figcaption>
<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${said}">
${axes(y, px, py, length)}${lines}
${shiftTexts(site.marks, px)}${beside(site.marks).map(({ mark, nth }) => markShape(mark, px(mark.batch) + 11 * nth, names))}
${mixture(site, px)}</svg></figure>`;
}

function axes(
  y: Scale,
  px: (batch: number) => number,
  py: (error: number) => number,
  length: number,
): Html {
  const bottom = ERROR_TOP + ERROR_HEIGHT;
  const x = linearScale(0, length, 5);
  return html`<g class="grid">${y.ticks.map(
    (tick) => html`<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${py(tick)}" y2="${py(tick)}"/>`,
  )}</g><g class="ticks y">${y.ticks.map(
    (tick) => html`<text x="${LEFT - 6}" y="${py(tick) + 4}">${percent(tick, 0)}</text>`,
  )}</g><g class="ticks x">${x.ticks
    .filter((tick) => tick <= length)
    .map((tick) => html`<text x="${px(tick)}" y="${bottom + 15}">${tick}</text>`)}</g>`;
}

const WORDS: Readonly<Record<Mark["mark"], string>> = {
  shift: "shift",
  drift: "drift noticed",
  request: "asked",
  accept: "portion accepted",
  reject: "portion rejected",
};

function markText({ batch, mark, text, peer }: Mark, names: ReadonlyMap<string, string>): string {
  const from = peer === undefined ? "" : ` (${names.get(peer) ?? peer})`;
  return `batch ${batch}: ${WORDS[mark]}${from}${text === undefined ? "" : `: ${text}`}`;
}

/** A line down for a shift; a circle, a diamond, a triangle, a cross in the lane for the others. */
function markShape(mark: Mark, x: number, names: ReadonlyMap<string, string>): Html {
  const title = html`<title>${markText(mark, names)}</title>`;
  if (mark.mark === "shift")
    return html`<path class="mark shift" d="M${x} 2V${ERROR_TOP + ERROR_HEIGHT}M${x} ${MIX_TOP}v${MIX_HEIGHT}">${title}</path>`;
  return html`<g class="mark ${mark.mark}" transform="translate(${x} ${LANE / 2})">${shapeOf(mark.mark)}${title}</g>`;
}

/** Marks of one batch stand side by side, in their order; a shift is a line and takes no place. */
function beside(marks: readonly Mark[]): readonly { readonly mark: Mark; readonly nth: number }[] {
  const taken = new Map<number, number>();
  return marks.map((mark) => {
    if (mark.mark === "shift") return { mark, nth: 0 };
    const nth = taken.get(mark.batch) ?? 0;
    taken.set(mark.batch, nth + 1);
    return { mark, nth };
  });
}

/** What a shift is, beside its line where there is room. */
function shiftTexts(marks: readonly Mark[], px: (batch: number) => number): readonly Html[] {
  const shifts = marks.filter(({ mark, text }) => mark === "shift" && text !== undefined);
  if (shifts.length > 2) return [];
  return shifts.map(({ batch, text }) => {
    const x = px(batch);
    const before = x > LEFT + 0.7 * PLOT_WIDTH;
    const place = before ? `x="${x - 5}" style="text-anchor:end"` : `x="${x + 5}"`;
    return html`<text class="shift-text" ${new Html(place)} y="${ERROR_TOP + 8}">${text}</text>`;
  });
}

function shapeOf(mark: Exclude<Mark["mark"], "shift">): Html {
  switch (mark) {
    case "drift":
      return html`<circle r="4.5"/>`;
    case "request":
      return html`<path d="M0 -5L5 0L0 5L-5 0Z"/>`;
    case "accept":
      return html`<path d="M0 -5.5L5.5 4.5L-5.5 4.5Z"/>`;
    case "reject":
      return html`<path d="M-4.5 -4.5L4.5 4.5M4.5 -4.5L-4.5 4.5"/>`;
    default:
      return mark satisfies never;
  }
}

/** Shares of the classes over time, as columns. */
function mixture(site: SiteStreamView, px: (batch: number) => number): Html {
  const length = site.classCounts.length;
  const classes = site.classCounts.find((counts) => counts !== undefined)?.length ?? 0;
  const step = Math.max(1, Math.ceil(length / MIX_COLUMNS));
  const columns: Html[] = [];
  for (let from = 0; from < length; from += step) {
    const to = Math.min(length, from + step);
    const counts = Array.from({ length: classes }, (_, c) =>
      site.classCounts.slice(from, to).reduce((sum, one) => sum + (one?.[c] ?? 0), 0),
    );
    const total = counts.reduce((sum, count) => sum + count, 0);
    let above = 0;
    for (const [c, count] of counts.entries()) {
      if (count === 0) continue;
      const height = (count / total) * MIX_HEIGHT;
      columns.push(
        html`<rect x="${px(from)}" y="${round(MIX_TOP + above)}" width="${round(px(to) - px(from) + 0.3)}" height="${round(height)}" style="fill:${classColor(c, classes)}"><title>class ${c}: ${percent(count / total, 0)}</title></rect>`,
      );
      above += height;
    }
  }
  return html`<g class="mix">${columns}</g><text class="label mixed" x="${LEFT - 6}" y="${MIX_TOP + MIX_HEIGHT / 2 + 4}">classes</text>`;
}

/** Neighbouring classes stand far apart on the wheel. */
const classColor = (c: number, classes: number): string =>
  `hsl(${Math.round((360 * ((c * 7) % Math.max(1, classes))) / Math.max(1, classes))} ${c % 2 === 0 ? 52 : 38}% ${c % 2 === 0 ? 58 : 44}%)`;

const MOST_CLASSES = 24;

function legend(runs: readonly Pictured[], main: Pictured, classes: number): Html {
  const marks = (["drift", "request", "accept", "reject"] as const).filter((kind) =>
    [...main.streams.sites.values()].some((site) => site.marks.some(({ mark }) => mark === kind)),
  );
  const shift = html`<span><svg class="key" viewBox="0 0 14 14"><line class="mark shift" x1="7" x2="7" y1="0" y2="14"/></svg>shift</span>`;
  const key = (mark: (typeof marks)[number]): Html =>
    html`<span><svg class="key" viewBox="-7 -7 14 14"><g class="mark ${mark}">${shapeOf(mark)}</g></svg>${WORDS[mark]}</span>`;
  const shown = Math.min(classes, MOST_CLASSES);
  return html`<p class="legend">${runs.map(
    (run) => html`<span><span class="swatch c${run.color}"></span>${run.name}</span>`,
  )}${shift}${marks.map(key)}</p>${
    shown > 0 &&
    html`<p class="legend">classes ${Array.from(
      { length: shown },
      (_, c) =>
        html`<span><span class="swatch" style="background:${classColor(c, classes)}"></span>${c}</span>`,
    )}</p>`
  }`;
}

export const STREAM_STYLE = `
.sites { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 420px), 1fr)); gap: 1rem; }
.site .line { stroke-width: 1.5; } .site .line.main { stroke-width: 2.2; }
.shift-text { fill: var(--muted); stroke: var(--card); stroke-width: 3; paint-order: stroke; }
.label.mixed { text-anchor: end; }
.mark.shift { fill: none; stroke: var(--text); stroke-width: 1.2; stroke-dasharray: 4 3; }
.mark.drift { fill: var(--card); stroke: var(--wire); stroke-width: 2; }
.mark.request { fill: var(--compute); }
.mark.accept { fill: var(--good); }
.mark.reject { stroke: var(--bad); stroke-width: 2.4; fill: none; }
.legend { flex-wrap: wrap; row-gap: .2rem; } .legend .key { display: inline-block; width: 1em; height: 1em; margin-right: .35em; vertical-align: -.15em; }
`;
