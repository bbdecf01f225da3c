/** Shapes of LSTM, GRU and RNN. */
import { shapeError } from "../errors.ts";
import { intAttribute, type TensorType } from "../graph.ts";
import { required, type ShapeContext, type ShapeRule } from "./rule.ts";

/**
 * From X [steps, batch, inputs], W [directions, rows, inputs] and R [directions, rows, hidden], with `gates` blocks
 * of `hidden` rows, to Y [steps, directions, batch, hidden] and `states` of [directions, batch, hidden]. With
 * layout 1 the batch comes first in X, Y and the states.
 */
const recurrent =
  (gates: number, states: number): ShapeRule =>
  (at) => {
    const x = required(at, 0);
    if (x.shape.length !== 3)
      throw shapeError(at.node, at.inputs, "the input must be [steps, batch, inputs]");
    const [directions = 0, rows = 0, hidden = 0] = required(at, 2).shape;
    const batchFirst = intAttribute(at.node, "layout", 0) === 1;
    const [first = 0, second = 0, inputs = 0] = x.shape;
    const [steps, batch] = batchFirst ? [second, first] : [first, second];
    const state = batchFirst ? [batch, directions, hidden] : [directions, batch, hidden];
    expect(at, 1, [directions, gates * hidden, inputs]);
    expect(at, 2, [directions, gates * hidden, hidden]);
    expect(at, 3, [directions, 2 * rows]);
    for (let i = 0; i < states; i++) expect(at, 5 + i, state);
    const typed = (shape: readonly number[]): TensorType => ({ type: x.type, shape });
    return [
      typed(batchFirst ? [batch, steps, directions, hidden] : [steps, directions, batch, hidden]),
      ...Array<TensorType>(states).fill(typed(state)),
    ];
  };

function expect(at: ShapeContext, index: number, shape: readonly number[]): void {
  const given = at.inputs[index]?.shape ?? shape;
  if (given.join() !== shape.join())
    throw shapeError(at.node, at.inputs, `input ${index} must have the shape [${shape}]`);
}

export const recurrentShapes = {
  GRU: recurrent(3, 1),
  LSTM: recurrent(4, 2),
  RNN: recurrent(1, 1),
} satisfies Record<string, ShapeRule>;
