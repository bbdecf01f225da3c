/** Small runs on streams, without files, and what two of them are compared by. */
import type { RunEvent } from "../../src/core/events.ts";
import { RunSpec } from "../../src/run/spec.ts";

type StreamSettings = Record<string, unknown>;

/** Batches of 20 come 50 times a second. */
export const onStreams = (
  more: Record<string, unknown> = {},
  stream: StreamSettings = { batches: 10 },
): RunSpec =>
  RunSpec.parse({
    version: 1,
    name: "streams",
    data: { kind: "digits", rows: 600, testRows: 10, stream: { batch: 20, rate: 50, ...stream } },
    model: { kind: "svm" },
    sites: { count: 2, bandwidthMbps: 200, rttMs: 4 },
    between: { kind: "none" },
    policy: { default: { records: "may-move" } },
    ...more,
  });

/** Of every batch that was told, by site and batch: how much of it was wrong. */
export const batchErrors = ({ events }: { readonly events: readonly RunEvent[] }) =>
  events
    .flatMap((event) => (event.type === "stream" ? [event] : []))
    .sort((a, b) => (a.site < b.site ? -1 : a.site > b.site ? 1 : a.batch - b.batch))
    .map(({ site, batch, errors }): [string, number, number] => [site, batch, errors]);
