/** 20,000 mutated ONNX files; `bench/onnx-fuzz.ts` does a million. */
import { isDeepStrictEqual } from "node:util";
import { expect, test } from "vitest";
import { readModel } from "../../src/model/onnx/proto/read.ts";
import { writeModelFile } from "../../src/model/onnx/proto/write.ts";
import { corpus, mutant, outcome } from "./onnx-fuzz.ts";

const COUNT = 20_000;

test("a mutated file is read or refused with code and byte, and what is read can be written", () => {
  const files = corpus();
  const outcomes: Record<string, number> = {};
  for (let seed = 0; seed < COUNT; seed++) {
    const bytes = mutant(seed, files);
    const name = outcome(bytes);
    outcomes[name] = (outcomes[name] ?? 0) + 1;
    if (name !== "read") continue;
    const model = readModel(bytes, { external: () => new Uint8Array(64) });
    if (!isDeepStrictEqual(readModel(writeModelFile(model)), model))
      expect(readModel(writeModelFile(model)), `seed ${seed}`).toEqual(model);
  }
  // Each way of ending is met often: the mutations reach behind the first bytes.
  const least = {
    ...{ read: 2_000, ONNX_MALFORMED: 5_000, ONNX_OPSET: 500 },
    ...{ ONNX_TYPE: 500, ONNX_GRAPH: 250, ONNX_EXTERNAL: 5 },
  };
  for (const [name, count] of Object.entries(least))
    expect(outcomes[name], name).toBeGreaterThan(count);
});
