/** Layers as plain loops in float64: the dumb oracles of the builder's forward values. */

/** A tensor row by row. */
export interface Plain {
  readonly shape: readonly number[];
  readonly data: ArrayLike<number>;
}

const strides = (shape: readonly number[]): number[] =>
  shape.map((_, axis) => shape.slice(axis + 1).reduce((a, b) => a * b, 1));
const at = ({ shape, data }: Plain, ...index: number[]): number => {
  if (index.some((i, axis) => i < 0 || i >= (shape[axis] as number))) return 0;
  const steps = strides(shape);
  return data[index.reduce((sum, i, axis) => sum + i * (steps[axis] as number), 0)] as number;
};

/** A tensor whose elements a function of the index gives. */
export function fill(shape: readonly number[], value: (...index: number[]) => number): Plain {
  const data = new Float64Array(shape.reduce((a, b) => a * b, 1));
  const steps = strides(shape);
  for (let k = 0; k < data.length; k++)
    data[k] = value(...shape.map((size, axis) => Math.floor(k / (steps[axis] as number)) % size));
  return { shape, data };
}

const sum = (count: number, term: (i: number) => number): number => {
  let total = 0;
  for (let i = 0; i < count; i++) total += term(i);
  return total;
};
const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

export const dense = (x: Plain, w: Plain, b: Plain): Plain => {
  const lead = x.shape.slice(0, -1);
  const [out = 0, width = 0] = w.shape;
  return fill([...lead, out], (...index) => {
    const o = index.at(-1) as number;
    return at(b, o) + sum(width, (i) => at(x, ...index.slice(0, -1), i) * at(w, o, i));
  });
};

export interface ConvPlan {
  readonly stride: number;
  readonly dilation: number;
  readonly groups: number;
  /** Padding before each spatial axis, and sizes after. */
  readonly pads: readonly [number, number];
  readonly sizes: readonly [number, number];
}

export const conv2d = (x: Plain, w: Plain, b: Plain, plan: ConvPlan): Plain => {
  const [filters = 0, depth = 0, kh = 0, kw = 0] = w.shape;
  const { stride, dilation, groups, pads, sizes } = plan;
  return fill([x.shape[0] as number, filters, ...sizes], (n, o, y, z) => {
    const first = Math.floor((o as number) / (filters / groups)) * depth;
    return (
      at(b, o as number) +
      sum(depth, (c) =>
        sum(kh, (i) =>
          sum(
            kw,
            (j) =>
              at(w, o as number, c, i, j) *
              at(
                x,
                n as number,
                first + c,
                (y as number) * stride + i * dilation - pads[0],
                (z as number) * stride + j * dilation - pads[1],
              ),
          ),
        ),
      )
    );
  });
};

/** Scatters each input element over the outputs that its kernel covers. */
export const convTranspose2d = (x: Plain, w: Plain, b: Plain, plan: ConvPlan): Plain => {
  const [batch = 0, channels = 0, height = 0, width = 0] = x.shape;
  const [, filters = 0, kh = 0, kw = 0] = w.shape;
  const { stride, pads, sizes } = plan;
  const made = fill([batch, filters, ...sizes], (_, o) => at(b, o as number));
  const data = made.data as Float64Array;
  const steps = strides(made.shape) as [number, number, number, number];
  for (let n = 0; n < batch; n++)
    for (let c = 0; c < channels; c++)
      for (let o = 0; o < filters; o++)
        for (let y = 0; y < height; y++)
          for (let z = 0; z < width; z++)
            for (let i = 0; i < kh; i++)
              for (let j = 0; j < kw; j++) {
                const [row, column] = [y * stride + i - pads[0], z * stride + j - pads[1]];
                if (row < 0 || row >= sizes[0] || column < 0 || column >= sizes[1]) continue;
                data[n * steps[0] + o * steps[1] + row * steps[2] + column] =
                  (data[n * steps[0] + o * steps[1] + row * steps[2] + column] as number) +
                  at(x, n, c, y, z) * at(w, c, o, i, j);
              }
  return made;
};

/** Subtracts the mean of each element's set and divides by its deviation; `key` names the set. */
export function standardised(x: Plain, key: (...index: number[]) => string): Plain {
  const sets = new Map<string, number[]>();
  fill(x.shape, (...index) => {
    const name = key(...index);
    sets.set(name, [...(sets.get(name) ?? []), at(x, ...index)]);
    return 0;
  });
  return fill(x.shape, (...index) => {
    const values = sets.get(key(...index)) as number[];
    const mean = values.reduce((a, b) => a + b, 0) / values.length;
    const variance = values.reduce((a, b) => a + (b - mean) ** 2, 0) / values.length;
    return (at(x, ...index) - mean) / Math.sqrt(variance + 1e-5);
  });
}

export const affine = (x: Plain, w: Plain, b: Plain, axis: number): Plain =>
  fill(x.shape, (...index) => {
    const i = index[axis] as number;
    return at(x, ...index) * at(w, i) + at(b, i);
  });

/** PyTorch's MultiheadAttention on [batch, time, features]. */
export function attention(
  x: Plain,
  inner: { w: Plain; b: Plain },
  outer: { w: Plain; b: Plain },
  heads: number,
  causal: boolean,
): Plain {
  const [batch = 0, time = 0, features = 0] = x.shape;
  const size = features / heads;
  const joint = dense(x, inner.w, inner.b);
  const mixed = fill([batch, time, features], (n, t, f) => {
    const head = Math.floor((f as number) / size) * size;
    const scores = Array.from({ length: time }, (_, s) =>
      causal && s > (t as number)
        ? Number.NEGATIVE_INFINITY
        : sum(
            size,
            (i) =>
              at(joint, n as number, t as number, head + i) *
              at(joint, n as number, s, features + head + i),
          ) / Math.sqrt(size),
    );
    const total = sum(time, (s) => Math.exp(scores[s] as number));
    return sum(
      time,
      (s) =>
        (Math.exp(scores[s] as number) / total) *
        at(joint, n as number, s, 2 * features + (f as number)),
    );
  });
  return dense(mixed, outer.w, outer.b);
}

/** W x + R h + both biases of gate `g`, kept apart: [input part, state part]. */
const gate = (x: number[], h: number[], [w, r, b]: readonly [Plain, Plain, Plain], row: number) => {
  const rows = (b.shape[1] as number) / 2;
  return [
    sum(x.length, (i) => at(w, 0, row, i) * (x[i] as number)) + at(b, 0, row),
    sum(h.length, (i) => at(r, 0, row, i) * (h[i] as number)) + at(b, 0, rows + row),
  ] as const;
};

const unroll = (
  x: Plain,
  hidden: number,
  step: (x: number[], h: number[], c: number[]) => { h: number[]; c: number[] },
): Plain => {
  const [batch = 0, time = 0, features = 0] = x.shape;
  const out = fill([batch, time, hidden], () => 0);
  for (let n = 0; n < batch; n++) {
    let state = { h: new Array<number>(hidden).fill(0), c: new Array<number>(hidden).fill(0) };
    for (let t = 0; t < time; t++) {
      const input = Array.from({ length: features }, (_, i) => at(x, n, t, i));
      state = step(input, state.h, state.c);
      (out.data as Float64Array).set(state.h, (n * time + t) * hidden);
    }
  }
  return out;
};

/** Gates in ONNX's order: input, output, forget, cell. */
export const lstm = (x: Plain, tensors: readonly [Plain, Plain, Plain]): Plain => {
  const hidden = tensors[1].shape[2] as number;
  return unroll(x, hidden, (input, h, c) => {
    const of = (k: number, u: number): number => {
      const [a, b] = gate(input, h, tensors, k * hidden + u);
      return a + b;
    };
    const cell = c.map(
      (kept, u) => sigmoid(of(2, u)) * kept + sigmoid(of(0, u)) * Math.tanh(of(3, u)),
    );
    return { c: cell, h: cell.map((value, u) => sigmoid(of(1, u)) * Math.tanh(value)) };
  });
};

/** Gates in ONNX's order: update, reset, hidden; the reset gate scales R h + its bias. */
export const gru = (x: Plain, tensors: readonly [Plain, Plain, Plain]): Plain => {
  const hidden = tensors[1].shape[2] as number;
  return unroll(x, hidden, (input, h, c) => {
    const of = (k: number, u: number) => gate(input, h, tensors, k * hidden + u);
    const next = h.map((old, u) => {
      const [z, r] = [0, 1].map((k) => sigmoid(of(k, u)[0] + of(k, u)[1])) as [number, number];
      const [a, b] = of(2, u);
      return (1 - z) * Math.tanh(a + r * b) + z * old;
    });
    return { h: next, c };
  });
};
