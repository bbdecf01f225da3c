/**
 * One sentence of conclusion, computed from the rows alone. The subject is the last row that is neither the
 * LAN nor a stretched server (the method under study stands last); when another method was quicker, the
 * sentence says so. The baseline is the quickest stretched row, so that it is never the weaker of two.
 */
import { bytes, dollars, numeral, percent, seconds, targetText, times } from "./format.ts";
import { LAN_NAME } from "./rowlist.ts";
import type { CompareRow } from "./rows.ts";
import { streamConclusion } from "./stream-conclusion.ts";
import type { Target } from "./view.ts";

/** "eleven regions", "four sites". */
export const placeText = (sites: number, preset?: string): string => {
  const word = preset === "ec2-11" || preset === "aws-10" ? "region" : "site";
  return `${numeral(sites)} ${word}${sites === 1 ? "" : "s"}`;
};

const isLan = (row: CompareRow): boolean => row.name === LAN_NAME;
const isBaseline = (row: CompareRow): boolean => !isLan(row) && row.between === "stretched";
const timeOf = (row: CompareRow): number =>
  row.reachedTarget ? (row.timeToTargetSeconds ?? row.seconds) : Number.POSITIVE_INFINITY;

const quickest = (rows: readonly CompareRow[]): CompareRow | undefined =>
  rows.reduce<CompareRow | undefined>(
    (best, row) => (best === undefined || timeOf(row) < timeOf(best) ? row : best),
    undefined,
  );

const named = (row: CompareRow): string =>
  row.name === row.between ? row.name.charAt(0).toUpperCase() + row.name.slice(1) : row.name;

const stood = (row: CompareRow, target: Target): string => {
  if (row.diverged) return "nothing: its model diverged";
  if (target.loss !== undefined && row.final.loss !== null)
    return `loss ${row.final.loss.toFixed(3)}`;
  if (row.final.accuracy !== undefined) return percent(row.final.accuracy);
  if (row.final.rmse !== undefined) return `RMSE ${row.final.rmse.toFixed(3)}`;
  return row.final.loss === null ? "nowhere yet" : `loss ${row.final.loss.toFixed(3)}`;
};

/** @returns an empty string where there is no row to speak of. */
export function conclusion(rows: readonly CompareRow[], target: Target, place: string): string {
  if (rows.some((row) => row.streams)) return streamConclusion(rows, place);
  const methods = rows.filter((row) => !isLan(row) && !isBaseline(row));
  const baseline = quickest(rows.filter(isBaseline));
  const subject = methods.at(-1) ?? baseline ?? rows.at(-1);
  if (!subject) return "";
  const lan = rows.find(isLan);
  const goal = targetText(target);
  const over = `Over ${place}`;
  if (goal === "") {
    return `${over} ${named(subject)} came to ${stood(subject, target)} in ${seconds(subject.seconds)}${without(
      subject,
      target,
      [baseline, lan].filter((row) => row !== undefined && row !== subject) as CompareRow[],
    )}.`;
  }
  if (!subject.reachedTarget) return missed(rows, subject, target, over);
  const parts = [
    against(subject, target, baseline === subject ? undefined : baseline),
    lan && lan !== subject ? besideLan(subject, lan) : "",
  ].filter((part) => part !== "");
  const first = `${over} ${named(subject)} reached ${goal} in ${seconds(timeOf(subject))}`;
  const ratio = parts.length > 0 ? `: ${parts.join(" and ")}` : "";
  const cost = baseline && baseline !== subject ? costs(subject, baseline) : "";
  const rival = quickest(methods);
  const other =
    rival && rival !== subject && timeOf(rival) < timeOf(subject)
      ? `; ${named(rival)} was quicker still, ${seconds(timeOf(rival))}`
      : "";
  return `${first}${ratio}${cost}${other}.`;
}

const without = (subject: CompareRow, target: Target, others: readonly CompareRow[]): string => {
  const shown = others.map(
    (row) => `${named(row)} to ${stood(row, target)} in ${seconds(row.seconds)}`,
  );
  const clocks = `, ${subject.clocks} clocks`;
  return shown.length === 0 ? clocks : `${clocks}; ${shown.join(", ")}`;
};

function against(subject: CompareRow, target: Target, baseline: CompareRow | undefined): string {
  if (!baseline) return "";
  const what = `a parameter server stretched over the WAN (${baseline.name})`;
  if (!baseline.reachedTarget) {
    return `${what} did not reach it in ${seconds(baseline.seconds)} (${stood(baseline, target)})`;
  }
  const ratio = timeOf(baseline) / timeOf(subject);
  if (ratio >= 1.05) return `${times(ratio)} faster than ${what}`;
  if (ratio > 0.95) return `as fast as ${what}`;
  return `${times(1 / ratio)} slower than ${what}`;
}

function besideLan(subject: CompareRow, lan: CompareRow): string {
  if (!lan.reachedTarget) return "the same nodes on a LAN did not reach it";
  return `${times(timeOf(subject) / timeOf(lan))} the time on a LAN`;
}

function costs(subject: CompareRow, baseline: CompareRow): string {
  if (baseline.wanBytes === 0 || subject.wanBytes === 0) return "";
  const ratio = baseline.wanBytes / subject.wanBytes;
  const share =
    ratio >= 1.95
      ? `1/${Math.round(ratio)} of`
      : ratio > 1.02
        ? `${percent(1 / ratio, 0)} of`
        : `${times(1 / ratio)}`;
  const money = `${dollars(subject.egressDollars)} against ${dollars(baseline.egressDollars)}`;
  return `, for ${share} the WAN bytes (${money})`;
}

function missed(
  rows: readonly CompareRow[],
  subject: CompareRow,
  target: Target,
  over: string,
): string {
  const goal = targetText(target);
  const far = `it came to ${stood(subject, target)} in ${seconds(subject.seconds)}, ${bytes(subject.wanBytes)} over the WAN`;
  const first = quickest(rows.filter((row) => row.reachedTarget));
  const who = first
    ? `; the quickest that did was ${named(first)}, ${seconds(timeOf(first))}`
    : rows.length > 1
      ? "; no row did"
      : "";
  const broken = subject.end === "interrupted" ? " before it was interrupted" : "";
  return `${over} ${named(subject)} did not reach ${goal}${broken} (${far})${who}.`;
}
