/** Where training begins: drawn values for tensors that a builder made, the file's own for others. */
import { invariant } from "../core/errors.ts";
import type { Random } from "../core/random.ts";
import { drawStart } from "./initialise.ts";
import { type Layout, viewOf } from "./layout.ts";
import type { Trainable } from "./trainable.ts";

/** Each drawn tensor has the random stream of its name. */
export function startingValues(
  layout: Layout,
  { starts, trained, states }: Trainable,
  random: Random,
): Float32Array {
  const flat = new Float32Array(layout.length);
  const given = new Map([...trained, ...states].map((tensor) => [tensor.name, tensor.data]));
  for (const tensor of layout.tensors) {
    const values = viewOf(flat, tensor);
    const data = given.get(tensor.name);
    invariant(data instanceof Float32Array, `${tensor.name} has no starting values`);
    values.set(data);
    const start = starts.get(tensor.name);
    if (start) drawStart(values, start, random.stream(tensor.name));
  }
  return flat;
}
