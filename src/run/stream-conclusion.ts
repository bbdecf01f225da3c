/**
 * One sentence of conclusion of runs on streams, computed from the rows alone. The subject is the first row that is no
 * baseline (isolated, centralised, federated), else the last row.
 */
import { bytes, digits, percent, times } from "./format.ts";
import type { CompareRow } from "./rows.ts";
import type { StreamMeasures } from "./stream-measures.ts";
import { centralOf } from "./stream-table.ts";

type StreamRow = CompareRow & { readonly streams: StreamMeasures };

const BASELINES: readonly string[] = ["none", "centralize", "federated"];

const NAMES: Readonly<Record<string, string>> = {
  none: "isolated learning",
  centralize: "centralised learning",
  federated: "federated averaging",
};

/** @returns an empty string where no row is one on streams. */
export function streamConclusion(all: readonly CompareRow[], place: string): string {
  const rows = all.filter((row): row is StreamRow => row.streams !== undefined);
  const subject = rows.find(({ between }) => !BASELINES.includes(between)) ?? rows.at(-1);
  if (!subject) return "";
  const isolated = rows.find((row) => row.between === "none" && row !== subject);
  const central = centralOf(rows) as StreamRow | undefined;
  const { streams } = subject;
  const who = named(subject, rows.length === 1);
  const how =
    streams.adaptationBatches === null
      ? `${who} predicted with ${percent(streams.error)} error`
      : `${who} adapted to a shift in ${batches(streams.adaptationBatches)}${against(streams, isolated)}`;
  const error =
    streams.adaptationBatches === null && !isolated ? "" : `; ${errors(subject, isolated)}`;
  const cost = central && central !== subject ? beside(subject, central) : "";
  return `Over ${place} ${how}${error}${cost}.`;
}

/** A row that stands alone bears the experiment's name: its algorithm says more. */
const named = ({ name, between }: StreamRow, alone = false): string => {
  const text = alone || name === between ? (NAMES[between] ?? between) : name;
  return text.charAt(0).toUpperCase() + text.slice(1);
};

const batches = (value: number): string => `${digits(value)} batches`;

function against({ adaptationBatches }: StreamMeasures, isolated: StreamRow | undefined): string {
  const alone = isolated?.streams.adaptationBatches ?? null;
  if (alone === null || adaptationBatches === null) return "";
  const theirs = `isolated learning (${batches(alone)})`;
  if (adaptationBatches === 0) return alone === 0 ? "" : `, at once, against ${theirs}`;
  const ratio = alone / adaptationBatches;
  if (ratio >= 1.05) return `, ${times(ratio)} faster than ${theirs}`;
  return ratio > 0.95 ? `, as fast as ${theirs}` : `, ${times(1 / ratio)} slower than ${theirs}`;
}

function errors({ streams }: StreamRow, isolated: StreamRow | undefined): string {
  const own = `its error was ${percent(streams.error)}`;
  return isolated ? `${own} against ${percent(isolated.streams.error)}` : own;
}

function beside(subject: StreamRow, central: StreamRow): string {
  const parts = [
    less("bytes over the WAN", subject.wanBytes, central.wanBytes, bytes),
    less("model bytes at a site", subject.streams.modelBytes, central.streams.modelBytes),
    less("training", subject.streams.trainFlops, central.streams.trainFlops),
  ].filter((part) => part !== "");
  return parts.length === 0 ? "" : `; beside centralised learning ${joined(parts)}`;
}

function less(
  what: string,
  own: number,
  central: number,
  text?: (value: number) => string,
): string {
  if (central === 0) return "";
  if (own === 0) return `no ${what}`;
  const ratio = central / own;
  const figures = text ? ` (${text(own)} against ${text(central)})` : "";
  const [fewer, same] = what === "training" ? ["less", "as much"] : ["fewer", "as many"];
  if (ratio >= 1.05) return `${times(ratio)} ${fewer} ${what}${figures}`;
  return ratio > 0.95 ? `${same} ${what}` : `${times(1 / ratio)} more ${what}${figures}`;
}

const joined = (parts: readonly string[]): string =>
  parts.length === 1 ? parts[0]! : `${parts.slice(0, -1).join(", ")} and ${parts.at(-1)}`;
