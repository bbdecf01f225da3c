/** Those of the online learners that have a fixed layout are trained by the other tiers as any model is. */
import { expect, test } from "vitest";
import { executeRun } from "../../src/run/execute.ts";
import { RunSpec } from "../../src/run/spec.ts";

test.each([
  ["svm", { kind: "federated", localEpochs: 1 }, 0.55],
  ["logistic", { kind: "federated", localEpochs: 1 }, 0.55],
  ["naive-bayes", { kind: "federated", localEpochs: 1 }, 0.55],
  ["svm", { kind: "stretched" }, 0.55],
] as const)("%s, by %o", async (kind, between, least) => {
  const spec = RunSpec.parse({
    version: 1,
    name: "tiers",
    data: { kind: "digits", rows: 1000, testRows: 300, split: { by: "label", skew: 0.5 } },
    model: { kind },
    optimizer: { kind: "sgd", learningRate: 0.05 },
    batch: 32,
    sites: { count: 3, bandwidthMbps: 50, rttMs: 80 },
    between,
    stop: { maxClocks: 40 },
    evaluate: { every: 20 },
  });
  let accuracy = 0;
  await executeRun(spec, {
    roots: ["."],
    exists: async () => false,
    readFile: async () => new Uint8Array(),
    threads: 0,
    signal: AbortSignal.timeout(60_000),
    onEvent: (event) => {
      if (event.type === "evaluation") accuracy = event.metrics.accuracy ?? 0;
    },
  });
  expect(accuracy).toBeGreaterThan(least);
});
