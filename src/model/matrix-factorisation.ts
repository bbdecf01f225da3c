/**
 * Matrix factorisation with biases (Koren, Bell and Volinsky, "Matrix Factorization Techniques for
 * Recommender Systems", 2009, equation 4): the rating of item i by user u is predicted as
 *   r(u,i) = mean + b_u + b_i + p_u . q_i.
 *
 * Item factors q and biases b_i are shared; user factors p and biases b_u are private: they stay with the
 * worker that has the user's ratings. Each row holds the factors, then the bias, so that all numbers of
 * an item are neighbours. A step touches the rows of its batch only.
 *
 * Loss of a rating: e^2/2 + l2/2 (|p_u|^2 + |q_i|^2 + b_u^2 + b_i^2) with e = rating - r(u,i). The step's
 * gradient is that of the mean over the batch's ratings, so
 *   dp_u = mean of (l2 p_u - e q_i), dq_i = mean of (l2 q_i - e p_u), db = mean of (l2 b - e).
 */
import type { Batch, DataShape, RatingsDataset } from "../core/dataset.ts";
import { InputError, invariant } from "../core/errors.ts";
import type { Random } from "../core/random.ts";
import { createLayout, type Layout } from "./layout.ts";
import type { Judgement, Learner, StepResult } from "./learner.ts";
import type { MatrixFactorisationSpec } from "./spec.ts";

/** The rows of a table that a batch touches, sorted, and for each rating the place of its row among them. */
interface Touched {
  readonly rows: Uint32Array;
  readonly places: Uint32Array;
}

export class MatrixFactorisation implements Learner {
  readonly kind = "gradient";
  readonly layout: Layout;
  readonly privateLength: number;
  readonly #spec: MatrixFactorisationSpec;
  readonly #width: number;
  readonly #mean: number;
  readonly #itemPlaces: Int32Array;
  readonly #userPlaces: Int32Array;

  /** `mean`: of all ratings, from metadata. Errors: `InputError` if the data are no ratings. */
  constructor(spec: MatrixFactorisationSpec, data: DataShape, mean: number) {
    if (data.kind !== "ratings")
      throw new InputError([
        {
          code: "MODEL_DATA",
          path: ["model"],
          message: "matrix factorisation needs ratings of items by users",
          fix: "kind: sequential",
        },
      ]);
    this.#spec = spec;
    this.#width = spec.rank + 1;
    this.#mean = mean;
    this.layout = createLayout([{ name: "items", shape: [data.itemCount, this.#width] }]);
    this.privateLength = data.userCount * this.#width;
    this.#itemPlaces = new Int32Array(data.itemCount).fill(-1);
    this.#userPlaces = new Int32Array(data.userCount).fill(-1);
  }

  initialise(random: Random): Float32Array {
    return this.#table(this.layout.length, random);
  }

  initialisePrivate(random: Random): Float32Array {
    return this.#table(this.privateLength, random);
  }

  /** A rating and factor: 2 for the prediction, 4 for each of the two gradients, 4 for the loss. */
  flops(batchSize: number): number {
    return batchSize * (14 * this.#spec.rank + 24);
  }

  workingSet(batch: Batch): Uint32Array {
    return this.#entries(touched(ratingsOf(batch).items, batch.rows, this.#itemPlaces).rows);
  }

  privateSet(batch: Batch): Uint32Array {
    return this.#entries(touched(ratingsOf(batch).users, batch.rows, this.#userPlaces).rows);
  }

  async step(
    parameters: Float32Array,
    batch: Batch,
    out: Float32Array,
    own?: Float32Array,
  ): Promise<StepResult> {
    const data = ratingsOf(batch);
    invariant(batch.rows.length > 0, "a step needs at least one row");
    const users = this.#users(own);
    const items = touched(data.items, batch.rows, this.#itemPlaces);
    const raters = touched(data.users, batch.rows, this.#userPlaces);
    const width = this.#width;
    const base = items.rows.length * width;
    const length = base + raters.rows.length * width;
    invariant(out.length === length, `out has ${out.length} elements, the batch needs ${length}`);
    out.fill(0);
    let loss = 0;
    for (let n = 0; n < batch.rows.length; n++) {
      const row = batch.rows[n] ?? 0;
      loss += this.#rate(
        { table: parameters, at: (data.items[row] ?? 0) * width },
        { table: users, at: (data.users[row] ?? 0) * width },
        data.ratings[row] ?? 0,
        {
          table: out,
          item: (items.places[n] ?? 0) * width,
          user: base + (raters.places[n] ?? 0) * width,
        },
      );
    }
    const share = 1 / batch.rows.length;
    for (let k = 0; k < length; k++) out[k] = (out[k] ?? 0) * share;
    return { loss: loss * share, examples: batch.rows.length };
  }

  /** `lossSum` is the sum of e^2/2, without L2. */
  async judge(parameters: Float32Array, batch: Batch, own?: Float32Array): Promise<Judgement> {
    const data = ratingsOf(batch);
    const users = this.#users(own);
    const width = this.#width;
    let squaredErrorSum = 0;
    for (let n = 0; n < batch.rows.length; n++) {
      const row = batch.rows[n] ?? 0;
      const item = { table: parameters, at: (data.items[row] ?? 0) * width };
      const user = { table: users, at: (data.users[row] ?? 0) * width };
      squaredErrorSum += ((data.ratings[row] ?? 0) - this.#predict(item, user)) ** 2;
    }
    return { examples: batch.rows.length, lossSum: squaredErrorSum / 2, squaredErrorSum };
  }

  async close(): Promise<void> {}

  #predict(item: Row, user: Row): number {
    const { rank } = this.#spec;
    const [q, i, p, u] = [item.table, item.at, user.table, user.at];
    let sum = this.#mean + (q[i + rank] as number) + (p[u + rank] as number);
    for (let k = 0; k < rank; k++) sum += (q[i + k] as number) * (p[u + k] as number);
    return sum;
  }

  /** Adds one rating's gradient to `out`; answers its loss. */
  #rate(item: Row, user: Row, rating: number, out: Target): number {
    const { rank, l2 } = this.#spec;
    const error = rating - this.#predict(item, user);
    const [q, i, p, u, g] = [item.table, item.at, user.table, user.at, out.table];
    let squares = 0;
    for (let k = 0; k <= rank; k++) {
      const a = q[i + k] as number;
      const b = p[u + k] as number;
      const bias = k === rank;
      g[out.item + k] = (g[out.item + k] as number) + l2 * a - error * (bias ? 1 : b);
      g[out.user + k] = (g[out.user + k] as number) + l2 * b - error * (bias ? 1 : a);
      squares += a * a + b * b;
    }
    return (error * error + l2 * squares) / 2;
  }

  #users(own: Float32Array | undefined): Float32Array {
    invariant(own && own.length === this.privateLength, "user factors are needed");
    return own;
  }

  /** Normal factors, biases of zero. */
  #table(length: number, random: Random): Float32Array {
    const table = new Float32Array(length);
    const { rank, initialDeviation } = this.#spec;
    for (let k = 0; k < length; k++)
      if (k % this.#width !== rank) table[k] = initialDeviation * random.normal();
    return table;
  }

  /** Indices of all numbers of these rows. */
  #entries(rows: Uint32Array): Uint32Array {
    const width = this.#width;
    const entries = new Uint32Array(rows.length * width);
    for (let r = 0; r < rows.length; r++)
      for (let k = 0; k < width; k++) entries[r * width + k] = (rows[r] as number) * width + k;
    return entries;
  }
}

/** A row of a table: its first element is table[at]. */
interface Row {
  readonly table: Float32Array;
  readonly at: number;
}

/** Where the gradients of a rating's two rows begin. */
interface Target {
  readonly table: Float32Array;
  readonly item: number;
  readonly user: number;
}

function ratingsOf(batch: Batch): RatingsDataset {
  invariant(batch.dataset.kind === "ratings", "matrix factorisation learns from ratings");
  return batch.dataset;
}

/** `scratch` has one entry a row of the table, all -1 before and after. */
function touched(ids: Int32Array, batchRows: Uint32Array, scratch: Int32Array): Touched {
  const found = new Uint32Array(batchRows.length);
  let count = 0;
  for (const row of batchRows) {
    const id = ids[row] as number;
    if (scratch[id] !== -1) continue;
    scratch[id] = 0;
    found[count++] = id;
  }
  const rows = found.slice(0, count).sort();
  rows.forEach((id, place) => {
    scratch[id] = place;
  });
  const places = new Uint32Array(batchRows.length);
  for (let n = 0; n < places.length; n++)
    places[n] = scratch[ids[batchRows[n] as number] as number] as number;
  for (const id of rows) scratch[id] = -1;
  return { rows, places };
}
