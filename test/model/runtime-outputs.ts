/** What ONNX Runtime itself makes of a graph: the judge of our shape rules and folds. */
import { InferenceSession, Tensor } from "onnxruntime-node";
import type { ElementType, Graph, Initializer } from "../../src/model/onnx/graph.ts";
import { writeModel } from "../../src/model/onnx/proto/write.ts";

export type TensorValue = Omit<Initializer, "name">;

/** The outputs in order, with the types and shapes that ONNX Runtime gives them. */
export async function runtimeOutputs(
  graph: Graph,
  inputs: Readonly<Record<string, TensorValue>>,
): Promise<TensorValue[]> {
  const session = await InferenceSession.create(writeModel(graph), {
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
    logSeverityLevel: 3,
  });
  const feeds = Object.fromEntries(
    graph.inputs.map(({ name }) => {
      const { type, data, shape } = inputs[name] as TensorValue;
      return [name, new Tensor(type as "float32", data as Float32Array, shape)];
    }),
  );
  const results = await session.run(feeds);
  const outputs = graph.outputs.map(({ name }) => {
    const { type, data, dims } = results[name] as Tensor;
    return { type: type as ElementType, shape: dims, data: data as Float32Array };
  });
  await session.release();
  return outputs;
}
