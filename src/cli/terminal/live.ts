/**
 * What a run looks like while it goes on, drawn from its view alone: overall quality against the world's
 * time, progress to the target, each site's clock, loss and bytes, who waits for whom.
 */
import { bytes, percent, seconds, targetText } from "../../run/format.ts";
import type { CompareRow } from "../../run/rows.ts";
import type { Point, RunView, SiteView } from "../../run/view.ts";
import { clipped, layout, progressBar, sparkline } from "./columns.ts";
import type { Paint } from "./paint.ts";
import { streamOverall, streamRowText, streamSiteLines } from "./streams.ts";

export interface Frame {
  /** "gaia (5 of 5)". */
  readonly title: string;
  readonly view: RunView;
  /** Rows of the comparison that have ended. */
  readonly finished: readonly CompareRow[];
  readonly width: number;
  readonly height: number;
}

/** The lines of one picture; never more than the terminal has. */
export function liveLines(frame: Frame, color: Paint): string[] {
  const { view, width } = frame;
  const { streams } = view;
  const state = streams ? streamOverall(view, streams, width, color) : overall(view, width, color);
  const head = [color.strong(clipped(frame.title, width)), ...state];
  const done = frame.finished.slice(-8).map((row) => finishedLine(row, width, color));
  const room = frame.height - head.length - done.length - 4;
  const sites = streams
    ? streamSiteLines(view, streams, width, Math.max(1, room), color)
    : siteLines(view, width, Math.max(1, room), color);
  return [...done, ...(done.length > 0 ? [""] : []), ...head, "", ...sites];
}

export const qualityText = (point: Pick<Point, "accuracy" | "rmse" | "loss">): string =>
  point.accuracy !== undefined
    ? percent(point.accuracy)
    : point.rmse !== undefined
      ? `RMSE ${point.rmse.toFixed(4)}`
      : Number.isFinite(point.loss)
        ? `loss ${point.loss.toFixed(4)}`
        : "diverged";

/** How far the last judgement is on the way from the first to the target, 0..1. */
export function progressOf(view: RunView): number | undefined {
  const first = view.evaluations[0];
  const last = view.evaluations.at(-1);
  if (!first || !last) return undefined;
  const { accuracy, rmse, loss } = view.target;
  if (accuracy !== undefined) return Math.min(1, (last.accuracy ?? 0) / accuracy);
  const way = (from: number, now: number, to: number): number =>
    now <= to ? 1 : Math.max(0, (from - now) / (from - to || 1));
  if (rmse !== undefined) return way(first.rmse ?? 0, last.rmse ?? 0, rmse);
  return loss === undefined ? undefined : way(first.loss, last.loss, loss);
}

function overall(view: RunView, width: number, color: Paint): string[] {
  const last = view.evaluations.at(-1);
  const goal = targetText(view.target);
  const share = progressOf(view);
  const bar = share === undefined ? "" : ` ${color.accent(progressBar(share, 20))}`;
  const quality = last ? qualityText(last) : "not judged yet";
  const aim = goal === "" ? "" : color.faint(` target ${goal}`);
  const curve = sparkline(
    view.evaluations.map((point) => point.accuracy ?? -(point.rmse ?? point.loss)),
    Math.min(60, Math.max(10, width - 24)),
  );
  const facts = [
    `time ${seconds(view.seconds)}`,
    `clock ${last?.clock ?? 0}`,
    `WAN ${bytes(view.wanBytes)}`,
    `USD ${view.egressDollars.toFixed(3)}`,
    ...(last ? [`loss ${last.loss.toFixed(4)}`] : []),
  ];
  return [
    `${color.strong(quality)}${bar}${aim}`,
    ...(curve === "" ? [] : [`${color.accent(curve)} ${color.faint("by time")}`]),
    clipped(facts.join(" · "), width),
  ];
}

function finishedLine(row: CompareRow, width: number, color: Paint): string {
  const quality =
    streamRowText(row) ??
    (row.final.loss === null ? "-" : qualityText({ ...row.final, loss: row.final.loss } as Point));
  const time =
    row.reachedTarget === false ? `not reached in ${seconds(row.seconds)}` : seconds(row.seconds);
  const text = `${row.name.padEnd(16)} ${quality.padStart(9)}  ${time}  WAN ${bytes(row.wanBytes)}`;
  const mark = row.reachedTarget === false ? color.bad("✗") : color.good("✓");
  return `${mark} ${clipped(text, width - 2)}`;
}

/** Sites that wait for somebody first where not all fit; the rest is counted. */
function siteLines(view: RunView, width: number, room: number, color: Paint): string[] {
  const all = [...view.sites.values()];
  const shown = all.slice(0, all.length > room ? Math.max(1, room - 1) : all.length);
  const whom = (site: SiteView): string => {
    const most = [...site.waitedFor].sort((a, b) => b[1] - a[1])[0];
    return most ? clipped(view.sites.get(most[0])?.name ?? most[0], 14) : "";
  };
  const waiting = (site: SiteView): string => {
    const total = site.computeSeconds + site.waitSeconds;
    return total === 0 ? "" : percent(site.waitSeconds / total, 0);
  };
  const own = shown.some((site) => site.accuracy !== undefined || site.rmse !== undefined);
  const column = (head: string, rank: number, of: (site: SiteView) => string) => ({
    head,
    rank,
    cells: shown.map(of),
  });
  const lines = layout(
    [
      { ...column("site", 0, (site) => clipped(site.name, 14)), align: "left" },
      column("clock", 0, (site) => String(site.clock)),
      column("loss", 1, (site) => site.loss?.toFixed(3) ?? "-"),
      ...(own
        ? [
            column("own", 3, (site) =>
              site.accuracy === undefined ? (site.rmse?.toFixed(3) ?? "-") : percent(site.accuracy),
            ),
          ]
        : []),
      column("sent", 1, (site) => bytes(site.bytesSent)),
      column("received", 2, (site) => bytes(site.bytesReceived)),
      column("waits", 1, waiting),
      { ...column("mostly for", 1, whom), align: "left" },
    ],
    width,
  );
  const [head = "", ...rest] = lines;
  const left = all.length - shown.length;
  return [
    color.faint(head),
    ...rest,
    ...(left > 0 ? [color.faint(`… and ${left} more sites`)] : []),
  ];
}
