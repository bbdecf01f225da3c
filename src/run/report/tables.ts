/** The tables of a report: rows of a comparison, traffic between sites, time by site, the resolved spec. */
import { bytes, digits, dollars, percent, seconds } from "../format.ts";
import type { CompareRow } from "../rows.ts";
import type { RunView, SiteView } from "../view.ts";
import { type Html, html } from "./html.ts";

const MOST_SITES = 24;

/** One line a run. */
export function rowTable(rows: readonly CompareRow[], colors: readonly number[]): Html {
  const wire = rows.some((row) => row.wireSeconds !== undefined);
  const significant = rows.some((row) => row.significantFraction !== undefined);
  const rmse = rows.some((row) => row.final.rmse !== undefined);
  const accuracy = rows.some((row) => row.final.accuracy !== undefined);
  const lan = rows.find((row) => row.name === "lan");
  const heads = [
    "run",
    "within",
    "between",
    "time to target",
    ...(lan ? ["of the LAN's"] : []),
    ...(accuracy ? ["accuracy"] : []),
    ...(rmse ? ["RMSE"] : []),
    "loss",
    "clocks",
    "WAN",
    "LAN",
    "egress",
    "compute",
    ...(wire ? ["wire"] : []),
    wire ? "wait" : "wait",
    ...(significant ? ["significant"] : []),
  ];
  const line = (row: CompareRow, i: number): Html => {
    const cells = [
      reached(row),
      ...(lan ? [ratio(row, lan)] : []),
      ...(accuracy
        ? [row.final.accuracy === undefined ? "-" : percent(row.final.accuracy, 2)]
        : []),
      ...(rmse ? [row.final.rmse?.toFixed(4) ?? "-"] : []),
      row.diverged ? "diverged" : (row.final.loss?.toFixed(4) ?? "-"),
      String(Math.round(row.clocks)),
      time(row, "wanBytes", bytes),
      bytes(row.lanBytes),
      dollars(row.egressDollars),
      seconds(row.computeSeconds),
      ...(wire ? [row.wireSeconds === undefined ? "-" : seconds(row.wireSeconds)] : []),
      seconds(Math.max(0, row.waitSeconds - (row.wireSeconds ?? 0))),
      ...(significant
        ? [row.significantFraction === undefined ? "-" : percent(row.significantFraction, 2)]
        : []),
    ];
    return html`<tr><th scope="row"><span class="swatch c${colors[i] ?? 0}"></span>${row.name}</th>
<td class="text">${row.within}</td><td class="text">${row.between}</td>${cells.map((cell) => html`<td>${cell}</td>`)}</tr>`;
  };
  return html`<div class="scroll" tabindex="0" role="region" aria-label="Runs"><table>
<caption>Time is the world's; accuracy and loss are those of the end. Compute, wire and wait are means of the workers.</caption>
<thead><tr>${heads.map((head) => html`<th scope="col">${head}</th>`)}</tr></thead>
<tbody>${rows.map(line)}</tbody></table></div>`;
}

const reached = (row: CompareRow): Html =>
  row.reachedTarget === null
    ? html`<span class="muted">no target</span>`
    : row.reachedTarget
      ? html`<span class="yes">${time(row, "timeToTargetSeconds", seconds)}</span>`
      : html`<span class="no" title="ended: ${row.end}">not reached</span>`;

/** A number of a row, with its deviation where several seeds were run. */
function time(
  row: CompareRow,
  key: "timeToTargetSeconds" | "wanBytes",
  text: (value: number) => string,
): string {
  const value = row[key];
  if (value === null) return "-";
  const spread = row.spread?.[key];
  return spread && spread.count > 1 ? `${text(value)} ± ${text(spread.deviation)}` : text(value);
}

const ratio = (row: CompareRow, lan: CompareRow): string =>
  row.timeToTargetSeconds === null || !lan.timeToTargetSeconds
    ? "-"
    : `${digits(row.timeToTargetSeconds / lan.timeToTargetSeconds)}x`;

/** Bytes per ordered pair of sites; the busiest ones where there are many sites. */
export function heatMap(view: RunView, name: string): Html {
  const busy = [...view.sites.values()]
    .map((site) => ({ site, bytes: site.bytesSent + site.bytesReceived }))
    .sort((a, b) => b.bytes - a.bytes)
    .slice(0, MOST_SITES)
    .map((entry) => entry.site);
  const sites = [...view.sites.values()].filter((site) => busy.includes(site));
  const between = (from: SiteView, to: SiteView): number =>
    view.pairs.get(from.id)?.get(to.id) ?? 0;
  const most = Math.max(
    0,
    ...sites.flatMap((from) => sites.filter((to) => to !== from).map((to) => between(from, to))),
  );
  const cell = (from: SiteView, to: SiteView): Html => {
    const value = between(from, to);
    if (from === to) return html`<td class="own">${value === 0 ? "" : bytes(value)}</td>`;
    const share = value === 0 || most === 0 ? 0 : 0.06 + 0.5 * (value / most) ** 0.5;
    return html`<td style="--share:${share.toFixed(3)}">${value === 0 ? "-" : bytes(value)}</td>`;
  };
  const left = view.sites.size - sites.length;
  const more = left > 0 ? ` The ${sites.length} busiest of ${view.sites.size} sites.` : "";
  return html`<div class="scroll" tabindex="0" role="region" aria-label="Bytes between sites, ${name}"><table class="heat">
<caption>Bytes from (row) to (column); grey: inside a site.${more}</caption>
<thead><tr><td></td>${sites.map((site) => html`<th scope="col">${site.name}</th>`)}</tr></thead>
<tbody>${sites.map(
    (from) => html`<tr><th scope="row">${from.name}</th>${sites.map((to) => cell(from, to))}</tr>`,
  )}</tbody></table></div>`;
}

export const splitLegend = (wire: boolean): Html =>
  html`<p class="legend"><span><span class="swatch compute"></span>compute</span>${
    wire && html`<span><span class="swatch wire"></span>wire</span>`
  }<span><span class="swatch wait"></span>${wire ? "wait" : "wait (wire included)"}</span></p>`;

/** A bar whose length is the time and whose parts are where it went. */
export function splitBar(
  compute: number,
  wire: number | undefined,
  wait: number,
  longest: number,
): Html {
  const share = (value: number): string => `${((100 * value) / (longest || 1)).toFixed(2)}%`;
  const onWire = Math.min(wire ?? 0, wait);
  return html`<div class="bar" role="img" aria-label="compute ${seconds(compute)}, wire and wait ${seconds(wait)}"><i class="compute" style="width:${share(compute)}"></i><i class="wire" style="width:${share(onWire)}"></i><i class="wait" style="width:${share(wait - onWire)}"></i></div>`;
}

/** Where each site's time went, and whom it waited for. */
export function siteTable(view: RunView): Html {
  const sites = [...view.sites.values()].filter((site) => view.nodes.has(site.id));
  const shown = sites.slice(0, 60);
  const longest = Math.max(...sites.map((site) => site.computeSeconds + site.waitSeconds), 0);
  const wire = sites.some((site) => site.wireSeconds !== undefined);
  const judged = sites.some((site) => site.accuracy !== undefined || site.rmse !== undefined);
  const line = (site: SiteView): Html => {
    const whom = [...site.waitedFor].sort((a, b) => b[1] - a[1])[0];
    const onWire = site.wireSeconds ?? 0;
    return html`<tr><th scope="row">${site.name}</th><td>${site.clock}</td>${
      judged &&
      html`<td>${site.accuracy === undefined ? (site.rmse?.toFixed(3) ?? "-") : percent(site.accuracy, 2)}</td>`
    }<td>${seconds(site.computeSeconds)}</td>${wire && html`<td>${seconds(onWire)}</td>`}<td>${seconds(Math.max(0, site.waitSeconds - onWire))}</td>
<td>${splitBar(site.computeSeconds, site.wireSeconds, site.waitSeconds, longest)}</td><td>${bytes(site.bytesSent)}</td><td>${bytes(site.bytesReceived)}</td><td class="text">${whom ? (view.sites.get(whom[0])?.name ?? whom[0]) : "-"}</td></tr>`;
  };
  const more = sites.length > shown.length ? ` The first ${shown.length} of ${sites.length}.` : "";
  return html`${splitLegend(wire)}<div class="scroll" tabindex="0" role="region" aria-label="Time by site"><table>
<caption>Mean of a site's workers.${more}</caption><thead><tr><th scope="col">site</th><th scope="col">clocks</th>${
    judged && html`<th scope="col">its model</th>`
  }<th scope="col">compute</th>${wire && html`<th scope="col">wire</th>`}<th scope="col">wait</th><th scope="col">split</th><th scope="col">sent</th><th scope="col">received</th><th scope="col">waits most for</th></tr></thead>
<tbody>${shown.map(line)}</tbody></table></div>`;
}

/** Bytes by kind of message, and the numbers that the protocol named. */
export function detailTables(view: RunView): Html {
  const kinds = [...view.bytesByKind].sort((a, b) => b[1] - a[1]);
  const metrics = [...view.metrics].sort(([a], [b]) => (a < b ? -1 : 1));
  return html`<div class="pair">${
    kinds.length > 0 &&
    html`<table><caption>Bytes by kind of message</caption><tbody>${kinds.map(
      ([kind, value]) => html`<tr><th scope="row">${kind}</th><td>${bytes(value)}</td></tr>`,
    )}</tbody></table>`
  }${
    metrics.length > 0 &&
    html`<table><caption>Named numbers</caption><thead><tr><th scope="col">name</th><th scope="col">last</th><th scope="col">mean</th></tr></thead><tbody>${metrics.map(
      ([name, metric]) =>
        html`<tr><th scope="row">${name}</th><td>${Number(metric.last.toPrecision(5))}</td><td>${Number((metric.sum / metric.count).toPrecision(5))}</td></tr>`,
    )}</tbody></table>`
  }</div>`;
}

const plainValue = (value: unknown): string =>
  typeof value === "string" ? value : JSON.stringify(value);

/** Every value of the resolved specification, and who set it. */
export function specTable(spec: unknown, origins: Readonly<Record<string, string>>): Html {
  const lines = Object.entries(origins).map(([path, origin]) => {
    let value: unknown = spec;
    for (const part of path.split(".")) value = (value as Record<string, unknown> | null)?.[part];
    return html`<tr><th scope="row">${path}</th><td class="code">${plainValue(value) ?? ""}</td><td class="text muted">${origin}</td></tr>`;
  });
  return html`<div class="scroll" tabindex="0" role="region" aria-label="Specification"><table><thead><tr><th scope="col">key</th><th scope="col" style="text-align:left">value</th><th scope="col" style="text-align:left">set by</th></tr></thead><tbody>${lines}</tbody></table></div>`;
}
