/**
 * A generated stand-in for handwritten digits where no real ones are at hand: 28x28 grey images of ten
 * classes. Each digit is a few strokes of our own drawing; every image moves the strokes' points a little,
 * turns, scales, shears and shifts them, and draws them with a pen of its own width and softness over
 * noise. The same random stream gives the same images.
 */
import type { DenseDataset } from "../core/dataset.ts";
import type { Random } from "../core/random.ts";
import { sharedBytes, sharedInts } from "./bytes.ts";
import { GLYPHS, type Stroke } from "./glyphs.ts";

const SIDE = 28;
const CENTRE = (SIDE - 1) / 2;
/** Height of an upright digit, in pixels. */
const HEIGHT = 20;
/** Points on each piece of a stroke's curve. */
const STEPS = 3;
const NOISE_TABLE = 1 << 16;

/** Draws `count` digits; labels are uniform. */
export function generateDigits(count: number, random: Random): DenseDataset {
  const pixels = SIDE * SIDE;
  const features = sharedBytes(count * pixels);
  const labels = sharedInts(count);
  const noise = Float32Array.from({ length: NOISE_TABLE }, () => random.normal());
  const ink = new Float32Array(pixels);
  for (let row = 0; row < count; row++) {
    const digit = random.integer(GLYPHS.length);
    labels[row] = digit;
    const variants = GLYPHS[digit]!;
    drawDigit(variants[random.integer(variants.length)]!, ink.fill(0), random);
    const level = 4 + 16 * random.next();
    const start = random.integer(NOISE_TABLE - pixels);
    const brightness = 190 + 65 * random.next();
    for (let i = 0; i < pixels; i++)
      features[row * pixels + i] = Math.max(
        0,
        Math.min(255, brightness * ink[i]! + level * noise[start + i]!),
      );
  }
  return {
    kind: "dense",
    rows: count,
    shape: [1, SIDE, SIDE],
    features,
    scale: 1 / 255,
    offset: 0,
    labels,
    classes: GLYPHS.length,
  };
}

function drawDigit(strokes: readonly Stroke[], ink: Float32Array, random: Random): void {
  const place = distortion(random);
  const wobble = 0.035;
  const pen = { radius: 0.8 + 0.9 * random.next(), softness: 0.5 + 0.7 * random.next() };
  for (const stroke of strokes) {
    const moved: Stroke = stroke.map(([x, y]) => [
      x + wobble * random.normal(),
      y + wobble * random.normal(),
    ]);
    let from: readonly [number, number] | undefined;
    for (const point of curve(moved)) {
      const to = place(point);
      if (from) drawSegment(from, to, pen, ink);
      from = to;
    }
  }
}

/** A random affine map from the unit square (y downwards) to pixels. */
function distortion(random: Random): (point: readonly [number, number]) => [number, number] {
  const angle = 0.2 * random.normal();
  const shear = 0.2 * random.normal();
  const height = HEIGHT * (0.85 + 0.3 * random.next());
  const width = height * (0.6 + 0.35 * random.next());
  const [shiftX, shiftY] = [1.3 * random.normal(), 1.3 * random.normal()];
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
  return ([x, y]) => {
    const v = (y - 0.5) * height;
    const u = (x - 0.5) * width - shear * v;
    return [CENTRE + shiftX + cos * u - sin * v, CENTRE + shiftY + sin * u + cos * v];
  };
}

/** A smooth line through the points (Catmull-Rom). */
function* curve(points: Stroke): Generator<[number, number]> {
  for (let k = 0; k + 1 < points.length; k++) {
    const [b, c] = [points[k]!, points[k + 1]!];
    const [a, d] = [points[k - 1] ?? b, points[k + 2] ?? c];
    for (let step = 0; step < STEPS; step++) {
      const t = step / STEPS;
      yield [spline(a[0], b[0], c[0], d[0], t), spline(a[1], b[1], c[1], d[1], t)];
    }
  }
  const last = points.at(-1)!;
  yield [last[0], last[1]];
}

const spline = (a: number, b: number, c: number, d: number, t: number): number =>
  0.5 *
  (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t * t + (3 * b - a - 3 * c + d) * t * t * t);

interface Pen {
  readonly radius: number;
  /** Pixels over which the edge fades. */
  readonly softness: number;
}

/** Ink falls off with the distance from the segment; where strokes meet, the darker one counts. */
function drawSegment(
  [x0, y0]: readonly [number, number],
  [x1, y1]: readonly [number, number],
  { radius, softness }: Pen,
  ink: Float32Array,
): void {
  const reach = radius + softness;
  const [dx, dy] = [x1 - x0, y1 - y0];
  const square = dx * dx + dy * dy || 1;
  const left = Math.max(0, Math.ceil(Math.min(x0, x1) - reach));
  const right = Math.min(SIDE - 1, Math.floor(Math.max(x0, x1) + reach));
  const top = Math.max(0, Math.ceil(Math.min(y0, y1) - reach));
  const bottom = Math.min(SIDE - 1, Math.floor(Math.max(y0, y1) + reach));
  for (let y = top; y <= bottom; y++) {
    for (let x = left; x <= right; x++) {
      const along = Math.max(0, Math.min(1, ((x - x0) * dx + (y - y0) * dy) / square));
      const [ex, ey] = [x - x0 - along * dx, y - y0 - along * dy];
      const distance = Math.sqrt(ex * ex + ey * ey);
      const dark = Math.min(1, (reach - distance) / (2 * softness));
      const at = y * SIDE + x;
      if (dark > ink[at]!) ink[at] = dark;
    }
  }
}
