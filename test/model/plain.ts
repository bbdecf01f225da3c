/**
 * Training steps in plain loops, without any library: the oracle of whole models (on Float64Array) and the
 * baseline of bench/learners (on Float32Array). Each layer writes its output and, backwards, the gradients
 * of its input and parameters. Weights lie as in the layout: dense [out, in], conv [out, in, k, k].
 */
import type { LayerSpec } from "../../src/model/spec.ts";

export type Vector = Float32Array | Float64Array;

interface Layer {
  readonly outputShape: readonly number[];
  readonly parameters: number;
  forward(x: Vector, w: Vector, y: Vector): void;
  /** Adds to `dw`; overwrites `dx`, unless it is undefined. */
  backward(x: Vector, y: Vector, w: Vector, dy: Vector, dw: Vector, dx: Vector | undefined): void;
}

export interface PlainModel {
  readonly parameters: number;
  /** Writes the gradient of the mean softmax cross-entropy to `gradients`; answers the loss. */
  step(x: Vector, labels: ArrayLike<number>, parameters: Vector, gradients: Vector): number;
}

const product = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

/** Sum of a[i + k] * b[j + k] over k < count, in four lanes. */
function dot(a: Vector, i: number, b: Vector, j: number, count: number): number {
  let [s0, s1, s2, s3] = [0, 0, 0, 0];
  let k = 0;
  for (; k + 3 < count; k += 4) {
    s0 += (a[i + k] as number) * (b[j + k] as number);
    s1 += (a[i + k + 1] as number) * (b[j + k + 1] as number);
    s2 += (a[i + k + 2] as number) * (b[j + k + 2] as number);
    s3 += (a[i + k + 3] as number) * (b[j + k + 3] as number);
  }
  for (; k < count; k++) s0 += (a[i + k] as number) * (b[j + k] as number);
  return s0 + s1 + s2 + s3;
}

/** y[j + k] += alpha * x[i + k] over k < count. */
function axpy(y: Vector, j: number, alpha: number, x: Vector, i: number, count: number): void {
  for (let k = 0; k < count; k++) y[j + k] = (y[j + k] as number) + alpha * (x[i + k] as number);
}

export function plainModel(
  layers: readonly LayerSpec[],
  shape: readonly number[],
  batch: number,
  vector: (length: number) => Vector,
): PlainModel {
  let at = shape;
  const made = layers.map((spec) => {
    const layer = layerOf(spec, at, batch);
    at = layer.outputShape;
    return layer;
  });
  const classes = product(at);
  const values = made.map((layer) => vector(batch * product(layer.outputShape)));
  const deltas = made.map((layer) => vector(batch * product(layer.outputShape)));
  const offsets: number[] = [];
  let total = 0;
  for (const layer of made) {
    offsets.push(total);
    total += layer.parameters;
  }
  return {
    parameters: total,
    step(x, labels, parameters, gradients) {
      const part = (flat: Vector, i: number): Vector =>
        flat.subarray(offsets[i], (offsets[i] as number) + (made[i] as Layer).parameters);
      const input = (i: number): Vector => (i === 0 ? x : (values[i - 1] as Vector));
      for (const [i, layer] of made.entries())
        layer.forward(input(i), part(parameters, i), values[i] as Vector);
      const last = made.length - 1;
      const loss = crossEntropy(values[last] as Vector, labels, classes, deltas[last] as Vector);
      gradients.fill(0);
      for (let i = last; i >= 0; i--)
        (made[i] as Layer).backward(
          input(i),
          values[i] as Vector,
          part(parameters, i),
          deltas[i] as Vector,
          part(gradients, i),
          i === 0 ? undefined : deltas[i - 1],
        );
      return loss;
    },
  };
}

function layerOf(spec: LayerSpec, shape: readonly number[], batch: number): Layer {
  if (spec === "flatten") return flatten(shape);
  if (spec === "relu") return relu(shape);
  if (typeof spec !== "object") throw new Error(`no plain ${spec}`);
  if ("dense" in spec) return dense(product(shape), spec.dense, batch);
  if ("maxPool" in spec) return maxPool(shape, spec.maxPool, batch);
  if (!("conv" in spec)) throw new Error("no plain layer of this kind");
  if (spec.stride !== 1 || spec.padding !== "same" || spec.kernel % 2 === 0)
    throw new Error("the plain convolution knows odd kernels, stride 1 and same padding");
  return convolution(shape, spec.conv, spec.kernel, batch);
}

/** Mean loss; writes softmax - target over the batch size to `delta`. */
function crossEntropy(
  logits: Vector,
  labels: ArrayLike<number>,
  classes: number,
  delta: Vector,
): number {
  const batch = logits.length / classes;
  let loss = 0;
  for (let n = 0; n < batch; n++) {
    const row = logits.subarray(n * classes, (n + 1) * classes);
    const highest = Math.max(...row);
    let sum = 0;
    for (let k = 0; k < classes; k++) sum += Math.exp((row[k] as number) - highest);
    const label = labels[n] as number;
    loss += highest + Math.log(sum) - (row[label] as number);
    for (let k = 0; k < classes; k++)
      delta[n * classes + k] =
        (Math.exp((row[k] as number) - highest) / sum - (k === label ? 1 : 0)) / batch;
  }
  return loss / batch;
}

const flatten = (shape: readonly number[]): Layer => ({
  outputShape: [product(shape)],
  parameters: 0,
  forward: (x, _, y) => y.set(x),
  backward: (_x, _y, _w, dy, _dw, dx) => dx?.set(dy),
});

const relu = (shape: readonly number[]): Layer => ({
  outputShape: shape,
  parameters: 0,
  forward(x, _, y) {
    for (let k = 0; k < y.length; k++) y[k] = Math.max(0, x[k] as number);
  },
  backward(_x, y, _w, dy, _dw, dx) {
    if (dx) for (let k = 0; k < y.length; k++) dx[k] = (y[k] as number) > 0 ? (dy[k] as number) : 0;
  },
});

const dense = (inputs: number, outputs: number, batch: number): Layer => ({
  outputShape: [outputs],
  parameters: outputs * inputs + outputs,
  forward(x, w, y) {
    for (let n = 0; n < batch; n++)
      for (let o = 0; o < outputs; o++) {
        const bias = w[outputs * inputs + o] as number;
        y[n * outputs + o] = bias + dot(x, n * inputs, w, o * inputs, inputs);
      }
  },
  backward(x, _y, w, dy, dw, dx) {
    dx?.fill(0);
    for (let n = 0; n < batch; n++)
      for (let o = 0; o < outputs; o++) {
        const g = dy[n * outputs + o] as number;
        dw[outputs * inputs + o] = (dw[outputs * inputs + o] as number) + g;
        axpy(dw, o * inputs, g, x, n * inputs, inputs);
        if (dx) axpy(dx, n * inputs, g, w, o * inputs, inputs);
      }
  },
});

/** Square kernels, stride 1, `same` padding. */
function convolution(
  shape: readonly number[],
  filters: number,
  kernel: number,
  batch: number,
): Layer {
  const [channels = 0, height = 0, width = 0] = shape;
  const pad = (kernel - 1) / 2;
  const plane = height * width;
  const weights = filters * channels * kernel * kernel;
  type Visit = (out: number, from: number, weight: number, count: number) => void;
  /** Visits each run of outputs that one weight meets along a row of the image. */
  const rows = (visit: Visit): void => {
    for (let n = 0; n < batch; n++)
      for (let o = 0; o < filters; o++)
        for (let c = 0; c < channels; c++)
          for (let ky = 0; ky < kernel; ky++)
            for (let kx = 0; kx < kernel; kx++) {
              const weight = ((o * channels + c) * kernel + ky) * kernel + kx;
              const left = Math.max(0, pad - kx);
              const count = Math.min(width, width + pad - kx) - left;
              for (let y = Math.max(0, pad - ky); y < Math.min(height, height + pad - ky); y++)
                visit(
                  (n * filters + o) * plane + y * width + left,
                  (n * channels + c) * plane + (y + ky - pad) * width + left + kx - pad,
                  weight,
                  count,
                );
            }
  };
  return {
    outputShape: [filters, height, width],
    parameters: weights + filters,
    forward(x, w, y) {
      for (let k = 0; k < y.length; k++)
        y[k] = w[weights + (Math.floor(k / plane) % filters)] as number;
      rows((out, from, weight, count) => {
        axpy(y, out, w[weight] as number, x, from, count);
      });
    },
    backward(x, _y, w, dy, dw, dx) {
      dx?.fill(0);
      for (let k = 0; k < dy.length; k++) {
        const bias = weights + (Math.floor(k / plane) % filters);
        dw[bias] = (dw[bias] as number) + (dy[k] as number);
      }
      rows((out, from, weight, count) => {
        dw[weight] = (dw[weight] as number) + dot(dy, out, x, from, count);
        if (dx) axpy(dx, from, w[weight] as number, dy, out, count);
      });
    },
  };
}

/** Windows that do not overlap; rows and columns that fill no window are left out. */
function maxPool(shape: readonly number[], size: number, batch: number): Layer {
  const [channels = 0, height = 0, width = 0] = shape;
  const [high, wide] = [Math.floor(height / size), Math.floor(width / size)];
  const winners = new Int32Array(batch * channels * high * wide);
  return {
    outputShape: [channels, high, wide],
    parameters: 0,
    forward(x, _, y) {
      for (let k = 0; k < winners.length; k++) {
        const plane = Math.floor(k / (high * wide));
        const row = (Math.floor(k / wide) % high) * size;
        const first = plane * height * width + row * width + (k % wide) * size;
        let best = first;
        for (let dy = 0; dy < size; dy++)
          for (let dx = 0; dx < size; dx++) {
            const place = first + dy * width + dx;
            if ((x[place] as number) > (x[best] as number)) best = place;
          }
        winners[k] = best;
        y[k] = x[best] as number;
      }
    },
    backward(_x, _y, _w, dy, _dw, dx) {
      dx?.fill(0);
      if (dx) for (let k = 0; k < winners.length; k++) dx[winners[k] as number] = dy[k] as number;
    },
  };
}
