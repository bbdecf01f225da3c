/** What goes with streams and what does not, each with its place and the nearest fix. */
import { describe, expect, test } from "vitest";
import { InputError } from "../../src/core/errors.ts";
import { readSource } from "../../src/run/file/source.ts";
import { resolveEntries, resolveRun } from "../../src/run/load.ts";

const FILE = `version: 1
name: streams
data: { kind: digits, stream: { batches: 50 } }
model: { kind: svm }
sites: { count: 3 }
between: { kind: none }
`;

const issuesOf = (change: (text: string) => string): readonly string[] => {
  try {
    resolveRun(readSource(change(FILE), "x.yaml", "yaml"));
    return [];
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    return error.issues.map(
      ({ line, path, message, fix }) => `${line}: ${path?.join(".")}: ${message} (${fix})`,
    );
  }
};

const swap = (from: string, to: string) => (text: string) => text.replace(from, to);

test("a run on streams needs no optimizer, and a training run does", () => {
  expect(issuesOf((text) => text)).toEqual([]);
  const training = (text: string) =>
    text.replace(", stream: { batches: 50 }", "").replace("svm", "logistic");
  expect(issuesOf(training)).toEqual([
    "1: optimizer: is missing (add optimizer: an object with kind: sgd, momentum, adagrad, adam)",
  ]);
});

describe("is refused", () => {
  test.each([
    [
      "a model that does not learn online",
      swap("kind: svm", "kind: sequential, layers: [flatten, { dense: 10 }]"),
      [
        "4: model.kind: a sequential model does not learn from streams (use kind: forest, svm, logistic, naive-bayes, graph)",
      ],
    ],
    [
      "a registry on a bus that the simulated world has not",
      swap("kind: none", "kind: cartel, registry: { kind: nats }"),
      [
        "6: between.registry.kind: the registry `nats` needs a control bus, and the simulated world has none (registry: { kind: central } or { kind: dht }, or world: local or cluster)",
      ],
    ],
    [
      "a graph that is nothing",
      swap("kind: svm", "kind: graph"),
      [
        "4: model: a graph without layers and without a file (layers: [flatten, { dense: 32 }, relu, { dense: 10 }], or path: model.onnx)",
      ],
    ],
    [
      "a graph that is two",
      swap("kind: svm", "kind: graph, layers: [flatten, { dense: 10 }], path: model.onnx"),
      ["4: model: a graph is its layers or a file, and this one is both (remove layers or path)"],
    ],
    [
      "an algorithm for data that lie there",
      swap("kind: none", "kind: gaia"),
      [
        "6: between.kind: gaia trains one model on data that lie there; these data are streams (use kind: cartel, none, centralize, federated)",
      ],
    ],
    [
      "centralised learning where records stay",
      swap("kind: none", "kind: centralize"),
      [
        "6: between.kind: centralize ships records, and the policy keeps the records of site-0, site-1, site-2 where they are (set policy.default.records: may-move, or choose another between)",
      ],
    ],
    [
      "keys that only training reads",
      (text: string) =>
        `${text}within: { kind: parameter-server }\noptimizer: { kind: sgd, learningRate: 0.1 }\nbatch: 8\nevaluate: { every: 5 }\n`,
      [
        "7: within: within is not used in a run on streams (remove it)",
        "8: optimizer: optimizer is not used in a run on streams (remove it)",
        "9: batch: batch is not used in a run on streams (remove it; data.stream.batch is the size of a batch)",
        "10: evaluate: evaluate is not used in a run on streams (remove it)",
      ],
    ],
    [
      "a target that nothing judges",
      (text: string) => `${text}stop: { accuracy: 0.9 }\n`,
      [
        "7: stop.accuracy: nothing is judged apart from the streams: this is never reached (a run on streams ends with them, or at stop.maxSeconds)",
      ],
    ],
    [
      "a forest without streams",
      (text: string) =>
        `${text.replace(", stream: { batches: 50 }", "").replace("svm", "forest")}optimizer: { kind: sgd, learningRate: 0.1 }\n`,
      [
        "4: model.kind: a forest learns online, from streams, and the data have none (add data.stream, or use kind: sequential)",
      ],
    ],
    [
      "a crash of a worker",
      (text: string) => `${text}faults: [{ kind: crash, node: site-1/worker-0, at: 1 }]\n`,
      [
        "7: faults.0.node: a site of a run on streams has no workers, and site-1/worker-0 is one (use site-1/peer-0)",
      ],
    ],
  ])("%s", (_, change, issues) => {
    expect(issuesOf(change)).toEqual(issues);
  });
});

test("a comparison on streams has no row for the LAN", () => {
  const source = readSource(FILE.replace("none", "cartel"), "x.yaml", "yaml");
  const names = resolveEntries(source, { matrix: { between: ["cartel", "none"] } }).map(
    ({ name }) => name,
  );
  expect(names).toEqual(["cartel", "none"]);
});
