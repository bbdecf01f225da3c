/**
 * The vector arithmetic as WebAssembly SIMD (AssemblyScript). Compiled by scripts/build-kernels.mjs into
 * ../module.ts; ../plain.ts is its twin in TypeScript and must agree bit for bit.
 *
 * Arguments are byte addresses in the imported memory and counts of elements. Every operation is rounded
 * once, no fused multiply-add, no relaxed SIMD. Tails run as scalars in the same order of operations.
 * Arrays are the same or disjoint; the caller checks lengths and indices.
 */

// @ts-ignore: decorator
@inline const BLOCK: usize = 64; // bytes: 16 floats a turn of an unrolled loop

// @ts-ignore: decorator
@inline function end(at: usize, count: i32): usize {
  return at + ((<usize>count) << 2);
}

/** The end of the last whole vector of four. */
// @ts-ignore: decorator
@inline function vectorEnd(at: usize, count: i32): usize {
  return at + ((<usize>(count & ~3)) << 2);
}

/** The end of the last whole block of sixteen. */
// @ts-ignore: decorator
@inline function blockEnd(at: usize, count: i32): usize {
  return at + ((<usize>(count & ~15)) << 2);
}

export function copy(into: usize, from: usize, count: i32): void {
  memory.copy(into, from, (<usize>count) << 2);
}

export function fill(into: usize, value: f32, count: i32): void {
  const last = end(into, count);
  const vectors = vectorEnd(into, count);
  const lanes = f32x4.splat(value);
  while (into < vectors) {
    v128.store(into, lanes);
    into += 16;
  }
  while (into < last) {
    store<f32>(into, value);
    into += 4;
  }
}

export function add(into: usize, from: usize, count: i32): void {
  const last = end(into, count);
  const blocks = blockEnd(into, count);
  while (into < blocks) {
    v128.store(into, f32x4.add(v128.load(into), v128.load(from)));
    v128.store(into, f32x4.add(v128.load(into, 16), v128.load(from, 16)), 16);
    v128.store(into, f32x4.add(v128.load(into, 32), v128.load(from, 32)), 32);
    v128.store(into, f32x4.add(v128.load(into, 48), v128.load(from, 48)), 48);
    into += BLOCK;
    from += BLOCK;
  }
  while (into < last) {
    store<f32>(into, load<f32>(into) + load<f32>(from));
    into += 4;
    from += 4;
  }
}

export function subtract(into: usize, from: usize, count: i32): void {
  const last = end(into, count);
  const blocks = blockEnd(into, count);
  while (into < blocks) {
    v128.store(into, f32x4.sub(v128.load(into), v128.load(from)));
    v128.store(into, f32x4.sub(v128.load(into, 16), v128.load(from, 16)), 16);
    v128.store(into, f32x4.sub(v128.load(into, 32), v128.load(from, 32)), 32);
    v128.store(into, f32x4.sub(v128.load(into, 48), v128.load(from, 48)), 48);
    into += BLOCK;
    from += BLOCK;
  }
  while (into < last) {
    store<f32>(into, load<f32>(into) - load<f32>(from));
    into += 4;
    from += 4;
  }
}

// @ts-ignore: decorator
@inline function axpy4(into: usize, lanes: v128, from: usize): v128 {
  return f32x4.add(v128.load(into), f32x4.mul(lanes, v128.load(from)));
}

export function axpy(into: usize, alpha: f32, from: usize, count: i32): void {
  const last = end(into, count);
  const blocks = blockEnd(into, count);
  const lanes = f32x4.splat(alpha);
  while (into < blocks) {
    v128.store(into, axpy4(into, lanes, from));
    v128.store(into + 16, axpy4(into + 16, lanes, from + 16));
    v128.store(into + 32, axpy4(into + 32, lanes, from + 32));
    v128.store(into + 48, axpy4(into + 48, lanes, from + 48));
    into += BLOCK;
    from += BLOCK;
  }
  while (into < last) {
    store<f32>(into, load<f32>(into) + alpha * load<f32>(from));
    into += 4;
    from += 4;
  }
}

export function scale(into: usize, alpha: f32, count: i32): void {
  const last = end(into, count);
  const blocks = blockEnd(into, count);
  const lanes = f32x4.splat(alpha);
  while (into < blocks) {
    v128.store(into, f32x4.mul(v128.load(into), lanes));
    v128.store(into, f32x4.mul(v128.load(into, 16), lanes), 16);
    v128.store(into, f32x4.mul(v128.load(into, 32), lanes), 32);
    v128.store(into, f32x4.mul(v128.load(into, 48), lanes), 48);
    into += BLOCK;
  }
  while (into < last) {
    store<f32>(into, load<f32>(into) * alpha);
    into += 4;
  }
}

// @ts-ignore: decorator
@inline function high(lanes: v128): v128 {
  return i32x4.shuffle(lanes, lanes, 2, 3, 2, 3);
}

// @ts-ignore: decorator
@inline function addLane(sums: usize, lane: i32, value: f64): void {
  const at = sums + ((<usize>lane) << 3);
  store<f64>(at, load<f64>(at) + value * value);
}

/** Adds squares to four float64 sums at `sums`: element i goes to sum i mod 4. */
export function sumOfSquares(sums: usize, values: usize, count: i32): void {
  const vectors = vectorEnd(values, count);
  let low01 = v128.load(sums);
  let low23 = v128.load(sums, 16);
  while (values < vectors) {
    const four = v128.load(values);
    const a = f64x2.promote_low_f32x4(four);
    const b = f64x2.promote_low_f32x4(high(four));
    low01 = f64x2.add(low01, f64x2.mul(a, a));
    low23 = f64x2.add(low23, f64x2.mul(b, b));
    values += 16;
  }
  v128.store(sums, low01);
  v128.store(sums, low23, 16);
  for (let lane = 0, rest = count & 3; lane < rest; lane++) {
    addLane(sums, lane, <f64>load<f32>(values));
    values += 4;
  }
}

/** Adds squared differences (in float64) to four sums, as `sumOfSquares`. */
export function squaredDistance(sums: usize, a: usize, b: usize, count: i32): void {
  const vectors = vectorEnd(a, count);
  let low01 = v128.load(sums);
  let low23 = v128.load(sums, 16);
  while (a < vectors) {
    const x = v128.load(a);
    const y = v128.load(b);
    const d = f64x2.sub(f64x2.promote_low_f32x4(x), f64x2.promote_low_f32x4(y));
    const e = f64x2.sub(f64x2.promote_low_f32x4(high(x)), f64x2.promote_low_f32x4(high(y)));
    low01 = f64x2.add(low01, f64x2.mul(d, d));
    low23 = f64x2.add(low23, f64x2.mul(e, e));
    a += 16;
    b += 16;
  }
  v128.store(sums, low01);
  v128.store(sums, low23, 16);
  for (let lane = 0, rest = count & 3; lane < rest; lane++) {
    addLane(sums, lane, <f64>load<f32>(a) - <f64>load<f32>(b));
    a += 4;
    b += 4;
  }
}

// @ts-ignore: decorator
@inline function momentum4(history: usize, gradient: usize, rate: v128, mu: v128, delta: usize): void {
  const next = f32x4.add(
    f32x4.mul(mu, v128.load(history)),
    f32x4.mul(rate, v128.load(gradient)),
  );
  v128.store(history, next);
  v128.store(delta, f32x4.neg(next));
}

/** history = mu * history + rate * gradient; delta = -history */
export function momentum(
  history: usize, gradient: usize, rate: f32, mu: f32, delta: usize, count: i32,
): void {
  const last = end(history, count);
  const blocks = blockEnd(history, count);
  const rates = f32x4.splat(rate);
  const mus = f32x4.splat(mu);
  while (history < blocks) {
    momentum4(history, gradient, rates, mus, delta);
    momentum4(history + 16, gradient + 16, rates, mus, delta + 16);
    momentum4(history + 32, gradient + 32, rates, mus, delta + 32);
    momentum4(history + 48, gradient + 48, rates, mus, delta + 48);
    history += BLOCK;
    gradient += BLOCK;
    delta += BLOCK;
  }
  while (history < last) {
    const next = mu * load<f32>(history) + rate * load<f32>(gradient);
    store<f32>(history, next);
    store<f32>(delta, -next);
    history += 4;
    gradient += 4;
    delta += 4;
  }
}

/** sum += g*g; delta = -(rate * g) / (sqrt(sum) + epsilon) */
export function adagrad(
  sum: usize, gradient: usize, rate: f32, epsilon: f32, delta: usize, count: i32,
): void {
  const last = end(sum, count);
  const vectors = vectorEnd(sum, count);
  const rates = f32x4.splat(-rate);
  const epsilons = f32x4.splat(epsilon);
  while (sum < vectors) {
    const g = v128.load(gradient);
    const next = f32x4.add(v128.load(sum), f32x4.mul(g, g));
    v128.store(sum, next);
    v128.store(delta, f32x4.div(f32x4.mul(rates, g), f32x4.add(f32x4.sqrt(next), epsilons)));
    sum += 16;
    gradient += 16;
    delta += 16;
  }
  while (sum < last) {
    const g = load<f32>(gradient);
    const next = load<f32>(sum) + g * g;
    store<f32>(sum, next);
    store<f32>(delta, (-rate * g) / (sqrt<f32>(next) + epsilon));
    sum += 4;
    gradient += 4;
    delta += 4;
  }
}

/** m = b1*m + r1*g; v = b2*v + (r2*g)*g; delta = -(rate * (m/c1)) / (sqrt(v/c2) + epsilon), r = 1 - b */
export function adam(
  first: usize, second: usize, gradient: usize,
  rate: f32, b1: f32, b2: f32, r1: f32, r2: f32, c1: f32, c2: f32, epsilon: f32,
  delta: usize, count: i32,
): void {
  const last = end(first, count);
  const vectors = vectorEnd(first, count);
  while (first < vectors) {
    const g = v128.load(gradient);
    const m = f32x4.add(
      f32x4.mul(f32x4.splat(b1), v128.load(first)),
      f32x4.mul(f32x4.splat(r1), g),
    );
    const v = f32x4.add(
      f32x4.mul(f32x4.splat(b2), v128.load(second)),
      f32x4.mul(f32x4.mul(f32x4.splat(r2), g), g),
    );
    v128.store(first, m);
    v128.store(second, v);
    v128.store(delta, f32x4.div(
      f32x4.mul(f32x4.splat(-rate), f32x4.div(m, f32x4.splat(c1))),
      f32x4.add(f32x4.sqrt(f32x4.div(v, f32x4.splat(c2))), f32x4.splat(epsilon)),
    ));
    first += 16;
    second += 16;
    gradient += 16;
    delta += 16;
  }
  while (first < last) {
    const g = load<f32>(gradient);
    const m = b1 * load<f32>(first) + r1 * g;
    const v = b2 * load<f32>(second) + r2 * g * g;
    store<f32>(first, m);
    store<f32>(second, v);
    store<f32>(delta, (-rate * (m / c1)) / (sqrt<f32>(v / c2) + epsilon));
    first += 4;
    second += 4;
    gradient += 4;
    delta += 4;
  }
}

// @ts-ignore: decorator
@inline function relative4(accumulated: usize, values: usize, threshold: v128): v128 {
  const zero = f32x4.splat(0);
  const a = v128.load(accumulated);
  const v = v128.load(values);
  return v128.and(
    f32x4.ne(a, zero),
    v128.or(f32x4.eq(v, zero), f32x4.gt(f32x4.abs(a), f32x4.mul(threshold, f32x4.abs(v)))),
  );
}

/** Writes the indices of the set lanes of four lanes that start at `index`; answers the new end. */
// @ts-ignore: decorator
@inline function emit(out: usize, lanes: v128, index: i32): usize {
  let bits = i32x4.bitmask(lanes);
  if (bits == 15) {
    v128.store(out, i32x4.add(i32x4.splat(index), i32x4(0, 1, 2, 3)));
    return out + 16;
  }
  while (bits != 0) {
    store<i32>(out, index + ctz<i32>(bits));
    out += 4;
    bits &= bits - 1;
  }
  return out;
}

/** Indices (from `base`) with a != 0 and (v == 0 or |a| > threshold * |v|), ascending; answers how many. */
export function significantRelative(
  accumulated: usize, values: usize, threshold: f32, out: usize, base: i32, count: i32,
): i32 {
  const start = out;
  const last = end(accumulated, count);
  const blocks = blockEnd(accumulated, count);
  const thresholds = f32x4.splat(threshold);
  while (accumulated < blocks) {
    const a = relative4(accumulated, values, thresholds);
    const b = relative4(accumulated + 16, values + 16, thresholds);
    const c = relative4(accumulated + 32, values + 32, thresholds);
    const d = relative4(accumulated + 48, values + 48, thresholds);
    if (v128.any_true(v128.or(v128.or(a, b), v128.or(c, d)))) {
      out = emit(out, a, base);
      out = emit(out, b, base + 4);
      out = emit(out, c, base + 8);
      out = emit(out, d, base + 12);
    }
    accumulated += BLOCK;
    values += BLOCK;
    base += 16;
  }
  while (accumulated < last) {
    const a = load<f32>(accumulated);
    const v = load<f32>(values);
    if (a != 0 && (v == 0 || abs<f32>(a) > threshold * abs<f32>(v))) {
      store<i32>(out, base);
      out += 4;
    }
    accumulated += 4;
    values += 4;
    base++;
  }
  return <i32>((out - start) >> 2);
}

// @ts-ignore: decorator
@inline function absolute4(accumulated: usize, threshold: v128): v128 {
  return f32x4.gt(f32x4.abs(v128.load(accumulated)), threshold);
}

/** Indices (from `base`) with |a| > threshold, ascending; answers how many. */
export function significantAbsolute(
  accumulated: usize, threshold: f32, out: usize, base: i32, count: i32,
): i32 {
  const start = out;
  const last = end(accumulated, count);
  const blocks = blockEnd(accumulated, count);
  const thresholds = f32x4.splat(threshold);
  while (accumulated < blocks) {
    const a = absolute4(accumulated, thresholds);
    const b = absolute4(accumulated + 16, thresholds);
    const c = absolute4(accumulated + 32, thresholds);
    const d = absolute4(accumulated + 48, thresholds);
    if (v128.any_true(v128.or(v128.or(a, b), v128.or(c, d)))) {
      out = emit(out, a, base);
      out = emit(out, b, base + 4);
      out = emit(out, c, base + 8);
      out = emit(out, d, base + 12);
    }
    accumulated += BLOCK;
    base += 16;
  }
  while (accumulated < last) {
    if (abs<f32>(load<f32>(accumulated)) > threshold) {
      store<i32>(out, base);
      out += 4;
    }
    accumulated += 4;
    base++;
  }
  return <i32>((out - start) >> 2);
}

/** The largest of unsigned indices, 0 for none: the caller's check before memory is touched. */
export function largest(indices: usize, count: i32): u32 {
  const last = end(indices, count);
  const blocks = blockEnd(indices, count);
  let a = i32x4.splat(0);
  let b = i32x4.splat(0);
  while (indices < blocks) {
    a = i32x4.max_u(a, i32x4.max_u(v128.load(indices), v128.load(indices, 16)));
    b = i32x4.max_u(b, i32x4.max_u(v128.load(indices, 32), v128.load(indices, 48)));
    indices += BLOCK;
  }
  a = i32x4.max_u(a, b);
  let most = max<u32>(
    max<u32>(i32x4.extract_lane(a, 0), i32x4.extract_lane(a, 1)),
    max<u32>(i32x4.extract_lane(a, 2), i32x4.extract_lane(a, 3)),
  );
  while (indices < last) {
    most = max<u32>(most, load<u32>(indices));
    indices += 4;
  }
  return most;
}

// @ts-ignore: decorator
@inline function element(array: usize, indices: usize): usize {
  return array + ((<usize>load<u32>(indices)) << 2);
}

/** into[k] = from[indices[k]] */
export function gather(into: usize, from: usize, indices: usize, count: i32): void {
  const last = end(into, count);
  const vectors = vectorEnd(into, count);
  while (into < vectors) {
    const a = load<f32>(element(from, indices));
    const b = load<f32>(element(from, indices + 4));
    const c = load<f32>(element(from, indices + 8));
    const d = load<f32>(element(from, indices + 12));
    store<f32>(into, a);
    store<f32>(into, b, 4);
    store<f32>(into, c, 8);
    store<f32>(into, d, 12);
    into += 16;
    indices += 16;
  }
  while (into < last) {
    store<f32>(into, load<f32>(element(from, indices)));
    into += 4;
    indices += 4;
  }
}

/** into[k] = from[indices[k]]; from[indices[k]] = 0 */
export function take(into: usize, from: usize, indices: usize, count: i32): void {
  const last = end(into, count);
  while (into < last) {
    const at = element(from, indices);
    store<f32>(into, load<f32>(at));
    store<f32>(at, 0);
    into += 4;
    indices += 4;
  }
}

/** into[indices[k]] += values[k] */
export function scatterAdd(into: usize, indices: usize, values: usize, count: i32): void {
  const last = end(values, count);
  while (values < last) {
    const at = element(into, indices);
    store<f32>(at, load<f32>(at) + load<f32>(values));
    values += 4;
    indices += 4;
  }
}

/** into[indices[k]] = values[k] */
export function scatter(into: usize, indices: usize, values: usize, count: i32): void {
  const last = end(values, count);
  while (values < last) {
    store<f32>(element(into, indices), load<f32>(values));
    values += 4;
    indices += 4;
  }
}
