/**
 * Dropout (Srivastava et al. 2014), inverted: in training each element is dropped with probability `ratio`,
 * the others grow by 1 / (1 - ratio). The chances come from the run's seeded stream, fed at each step, so
 * a step can be repeated; the node's own `seed` is not read. Judging lets everything pass.
 */
import { unsupportedError } from "../errors.ts";
import { ELEMENT_TYPES, sizeOf } from "../graph.ts";
import { inputAt, type Lowering, type LoweringContext } from "./rule.ts";

const dropout: Lowering = (at) => {
  const { graph } = at;
  const x = inputAt(at, 0);
  const shape = graph.shapeOf(x);
  const ratio = at.training ? ratioOf(at) : 0;
  if (ratio === 0) return [x, at.node.outputs[1] ? allKept(at, shape) : undefined];
  const kept = graph.emit("GreaterOrEqual", [at.random(shape), graph.scalar(ratio)]);
  const mask = graph.emit("Cast", [kept], { to: { int: ELEMENT_TYPES.float32 } });
  const factor = graph.emit("Mul", [mask, graph.scalar(1 / (1 - ratio))]);
  return [graph.emit("Mul", [x, factor], {}, at.node.name), kept];
};

function ratioOf(at: LoweringContext): number {
  const name = inputAt(at, 1);
  const ratio = name === "" ? 0.5 : at.graph.constantOf(name)?.[0];
  if (ratio === undefined || !(ratio >= 0 && ratio < 1))
    throw unsupportedError(at.node, `a ratio of ${ratio ?? "no constant"} drops nothing sensible`);
  return ratio;
}

const allKept = ({ graph }: LoweringContext, shape: readonly number[]): string =>
  graph.constant(graph.freshName("kept"), {
    type: "bool",
    shape,
    data: new Uint8Array(sizeOf(shape)).fill(1),
  });

export const dropoutLowerings = { Dropout: dropout } satisfies Record<string, Lowering>;
