/** What a wrong file is told: place, plain words, the nearest right thing. */
import { describe, expect, it } from "vitest";
import { describeIssue, InputError } from "../../src/core/errors.ts";
import { moduleSource } from "../../src/run/file/source.ts";
import { loadExperiment, validate } from "../../src/run/load.ts";

const GOOD = `version: 1
name: x
data: { kind: digits, rows: 100, testRows: 50 }
model: { kind: sequential, layers: [flatten, { dense: 10 }] }
optimizer: { kind: sgd, learningRate: 0.1 }
sites: { preset: near }
between: { kind: gaia }
`;

function issuesOf(text: string, format: "yaml" | "json" = "yaml"): string[] {
  try {
    loadExperiment(text, format === "json" ? "x.json" : "x.yaml", format);
    return [];
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    return error.issues.map(describeIssue);
  }
}

const changed = (from: string, to: string): string[] => issuesOf(GOOD.replace(from, to));

describe("schema", () => {
  it("accepts the file that the others are variations of", () => {
    expect(issuesOf(GOOD)).toEqual([]);
  });

  it("tells all issues at once, in the order of the file", () => {
    const text = `version: 1
name: x
data: { kind: idx, pth: mnist, split: { by: lable } }
model: { kind: sequential, layers: [flatten, { dens: 10 }, reluu, { conv: 3 }, 7] }
optimizer: { kind: momentum, learningRat: "0.1", beta1: 3, momentum: 90 }
batch: 3.5
sites: { preset: ec2-12 }
between: gaia
staleness: 3
stop: { accuracy: 97, maxClocks: "5" }
faults: { kind: crash }
`;
    expect(issuesOf(text)).toMatchInlineSnapshot(`
      [
        "x.yaml:3:20: data.pth: unknown key pth (did you mean path?)",
        "x.yaml:3:45: data.split.by: "lable" is not one of iid, label, dirichlet, range, column, place, user (did you mean label?)",
        "x.yaml:4:48: model.layers.1.dens: unknown key dens (did you mean dense?)",
        "x.yaml:4:60: model.layers.2: "reluu" is not one of relu, flatten, leakyRelu, elu, gelu, silu, sigmoid, tanh, softplus, softmax, batchNorm, instanceNorm, layerNorm, rmsNorm, globalAveragePool, globalMaxPool, positions (did you mean relu?)",
        "x.yaml:4:67: model.layers.3.kernel: is missing (add kernel: a whole number)",
        "x.yaml:4:80: model.layers.4: expected one of relu, flatten, leakyRelu, elu, gelu, silu, sigmoid, tanh, softplus, softmax, batchNorm, instanceNorm, layerNorm, rmsNorm, globalAveragePool, globalMaxPool, positions, or { dense: … }, or { conv: …, kernel: … }, or { depthwiseConv: … }, or { convTranspose: …, kernel: … }, or { maxPool: … }, or { averagePool: … }, or { groupNorm: … }, or { dropout: … }, or { leakyRelu: … }, or { elu: … }, or { embedding: … }, or { lstm: … }, or { gru: … }, or { attention: … }, or { reshape: … }, or { residual: … }, got 7",
        "x.yaml:5:30: optimizer.learningRat: unknown key learningRat (did you mean learningRate?)",
        "x.yaml:5:50: optimizer.beta1: beta1 does not go with kind: momentum (it belongs to adam; remove it or change kind)",
        "x.yaml:5:70: optimizer.momentum: must be less than 1, got 90 (shares are between 0 and 1: write 0.9)",
        "x.yaml:6:8: batch: expected a whole number, got 3.5",
        "x.yaml:7:18: sites.preset: "ec2-12" is not one of ec2-11, aws-10, near, far, oregon-ireland (did you mean ec2-11?)",
        "x.yaml:8:10: between: expected an object with kind: stretched, none, centralize, federated, gaia, cartel, got "gaia" (write { kind: gaia })",
        "x.yaml:9:1: staleness: unknown key staleness (it belongs at within.staleness or between.staleness)",
        "x.yaml:10:19: stop.accuracy: must be at most 1, got 97 (shares are between 0 and 1: write 0.97)",
        "x.yaml:10:34: stop.maxClocks: expected a whole number, got "5" (write 5, no quotes)",
        "x.yaml:11:9: faults: expected a list, got an object",
      ]
    `);
  });

  it("names the kind that a misplaced key belongs to", () => {
    expect(changed("kind: gaia", "kind: none, significance: 0.1")).toMatchInlineSnapshot(`
      [
        "x.yaml:7:24: between.significance: significance does not go with kind: none (it belongs to gaia; remove it or change kind)",
      ]
    `);
  });

  it("lists a loss once, though it may be named alone or with options", () => {
    const [issue = ""] = changed("kind: sequential,", "kind: sequential, loss: squared-eror,");
    expect(issue).toContain("did you mean squared-error?");
    expect(issue.match(/huber/g)).toHaveLength(1);
  });

  it("asks for what is missing, the kinds listed", () => {
    expect(issuesOf("version: 1\n")).toMatchInlineSnapshot(`
      [
        "x.yaml:1:1: name: is missing (add name: text)",
        "x.yaml:1:1: data: is missing (add data: an object with kind: idx, digits, ratings, csv, libsvm, text)",
        "x.yaml:1:1: model: is missing (add model: an object with kind: sequential, onnx, matrix-factorisation, forest, svm, logistic, naive-bayes, graph)",
        "x.yaml:1:1: sites: is missing (add sites: an object)",
        "x.yaml:1:1: between: is missing (add between: an object with kind: stretched, none, centralize, federated, gaia, cartel)",
        "x.yaml:1:1: optimizer: is missing (add optimizer: an object with kind: sgd, momentum, adagrad, adam)",
      ]
    `);
    expect(changed("{ kind: gaia }", "{ significance: 1 }")).toMatchInlineSnapshot(`
      [
        "x.yaml:7:1: between.kind: is missing (add kind: one of stretched, none, centralize, federated, gaia, cartel)",
      ]
    `);
  });

  it("wants exactly one way to say where the sites are", () => {
    expect(changed("preset: near", "preset: near, count: 3")).toMatchInlineSnapshot(`
      [
        "x.yaml:6:1: sites: give exactly one of preset, file, count (keep one of preset, file, count)",
      ]
    `);
  });
});

describe("syntax", () => {
  it.each([
    ["", "the file is empty"],
    ["- 1", "a list of keys and values"],
    ["a: 1\n b: 2\n", "x.yaml:1:4"],
    ["version: 1\nversion: 1\n", "x.yaml:2:1: version stands twice"],
    ["version: 1\n\tname: x", "Tabs"],
    ["x: [1, 2", "x.yaml:1:9"],
    ["a: *b", "b"],
    ["version: 1\n---\nb: 1", "x.yaml:2:1"],
    ["a: !!what 1", "what"],
  ])("%j", (text, expected) => {
    expect(issuesOf(text).join("\n")).toContain(expected);
  });

  it("holds JSON to JSON", () => {
    expect(issuesOf('{"version": 1,\n "name": "x",}', "json").join()).toContain("x.json:2:14");
    expect(issuesOf('{"version": 1, # no\n}', "json").join()).toContain("x.json:1:16");
    expect(issuesOf('{"version": 1, "version": 1}', "json").join()).toContain("stands twice");
  });
});

describe("what a schema cannot see", () => {
  it.each([
    ["kind: sequential, layers: [flatten, { dense: 10 }]", "kind: matrix-factorisation", "4:16"],
    ["testRows: 50", "testRows: 50, split: { by: user }", "data.split.by: only ratings have users"],
    ["testRows: 50", "testRows: 50, split: { by: column, column: city }", "named columns"],
    ["{ kind: gaia }", "{ kind: centralize }", "policy keeps the records"],
    ["{ kind: gaia }", "{ kind: gaia }\nstop: { rmse: 0.9 }", "stop.rmse: a classifier"],
    ["{ kind: gaia }", "{ kind: gaia }\nstop: { accuracy: 1 }", "never reached"],
    ["{ kind: gaia }", "{ kind: gaia, overlay: { groups: preset } }", "without groups"],
    [
      "{ kind: gaia }",
      "{ kind: gaia, overlay: { groups: [[virginia], [california]], hubs: [virginia] } }",
      "1 hubs for 2 groups",
    ],
    [
      "{ kind: gaia }",
      "{ kind: gaia }\npolicy: { sites: { virgina: { records: stay } } }",
      "did you mean virginia?",
    ],
    [
      "{ kind: gaia }",
      "{ kind: gaia }\nfaults: [{ kind: partition, a: virginia, b: tokyo, at: 1, for: 1 }]",
      "faults.0.b: there is no site tokyo",
    ],
  ])("%s -> %s", (from, to, expected) => {
    expect(changed(from, to).join("\n")).toContain(expected);
  });

  it("lets records be shipped where the policy says so", () => {
    const to = "{ kind: centralize }\npolicy: { default: { records: may-move } }";
    expect(changed("{ kind: gaia }", to)).toEqual([]);
  });
});

it("checks a module by the same schema, with the path alone", () => {
  const source = moduleSource({ version: 1, name: "x", between: { kind: "gaya" } }, "x.ts");
  let text = "";
  try {
    validate(source);
  } catch (error) {
    text = (error as Error).message;
  }
  expect(text).toContain("x.ts: between.kind");
  expect(text).toContain("did you mean gaia?");
});
