/** Axes: from values to pixels, with ticks at round numbers. */
import { invariant } from "../../core/errors.ts";

export interface Scale {
  readonly log: boolean;
  readonly min: number;
  readonly max: number;
  readonly ticks: readonly number[];
  /** 0 at `min`, 1 at `max`. */
  readonly at: (value: number) => number;
}

/** Ticks at 1, 2 or 5 times a power of ten. */
export function linearScale(low: number, high: number, wanted = 5): Scale {
  invariant(Number.isFinite(high - low), `an axis from ${low} to ${high}`);
  const span = high - low || Math.abs(high) || 1;
  const raw = span / wanted;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].map((m) => m * power).find((s) => s >= raw * 0.999) ?? raw;
  const min = Math.floor(low / step + 1e-9) * step;
  const max = Math.max(min + step, Math.ceil(high / step - 1e-9) * step);
  const ticks: number[] = [];
  for (let i = 0; min + i * step <= max + step * 1e-6; i++) {
    ticks.push(Number((min + i * step).toPrecision(12)));
  }
  return { log: false, min, max, ticks, at: (value) => (value - min) / (max - min) };
}

/** Ticks at powers of ten, with 2 and 5 between where there are few of them. */
export function logScale(low: number, high: number): Scale {
  const min = low;
  const max = Math.max(high, low * 1.01);
  const from = Math.floor(Math.log10(min));
  const to = Math.ceil(Math.log10(max));
  const steps = to - from <= 2 ? [1, 2, 5] : to - from <= 4 ? [1, 3] : [1];
  const ticks: number[] = [];
  for (let power = from; power <= to; power++) {
    for (const step of steps) {
      const tick = Number((step * 10 ** power).toPrecision(6));
      if (tick >= min * 0.999 && tick <= max * 1.001) ticks.push(tick);
    }
  }
  const width = Math.log(max) - Math.log(min);
  const at = (value: number): number => (Math.log(Math.max(value, min)) - Math.log(min)) / width;
  return { log: true, min, max, ticks, at };
}

/**
 * At most `limit` of the points, those that keep the shape: the largest triangle of each bucket
 * (Steinarsson, "Downsampling time series for visual representation", 2013).
 */
export function decimate<P extends { readonly x: number; readonly y: number }>(
  points: readonly P[],
  limit: number,
): readonly P[] {
  if (points.length <= limit || limit < 3) return points;
  const kept: P[] = [points[0]!];
  const size = (points.length - 2) / (limit - 2);
  for (let bucket = 0; bucket < limit - 2; bucket++) {
    const from = Math.floor(bucket * size) + 1;
    const to = Math.floor((bucket + 1) * size) + 1;
    const end = Math.min(Math.floor((bucket + 2) * size) + 1, points.length);
    let nextX = 0;
    let nextY = 0;
    for (let i = to; i < end; i++) {
      nextX += points[i]!.x / (end - to);
      nextY += points[i]!.y / (end - to);
    }
    const last = kept.at(-1)!;
    let best = points[from]!;
    let bestArea = -1;
    for (let i = from; i < to; i++) {
      const point = points[i]!;
      const area = Math.abs(
        (last.x - nextX) * (point.y - last.y) - (last.x - point.x) * (nextY - last.y),
      );
      if (area > bestArea) {
        best = point;
        bestArea = area;
      }
    }
    kept.push(best);
  }
  kept.push(points.at(-1)!);
  return kept;
}
