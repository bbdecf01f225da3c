/** Matrix products: gradients against central differences, and the operators that they cost. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createRandom } from "../../src/core/random.ts";
import { GraphBuilder } from "../../src/model/onnx/builder.ts";
import { differentiate } from "../../src/model/onnx/gradient/differentiate.ts";
import { matmulGradients } from "../../src/model/onnx/gradient/matmul.ts";
import { bit, family, pair, runs, seed, size } from "./gradient-check.ts";
import { uniform } from "./numeric.ts";

const { check } = family(matmulGradients);

test("Gemm: both transpositions, scales, addends of every broadcast shape", () =>
  fc.assert(
    fc.asyncProperty(
      fc.tuple(size, size, size),
      fc.tuple(bit, bit, fc.integer({ min: 0, max: 5 })),
      fc.tuple(fc.constantFrom(1, 0.5), fc.constantFrom(1, -2)),
      seed,
      async ([m, n, k], [transA, transB, addend], [alpha, beta], from) => {
        const random = createRandom(from);
        const inputs = [
          uniform(random, transA ? [k, m] : [m, k]),
          uniform(random, transB ? [n, k] : [k, n]),
        ];
        const c = [undefined, [n], [m, n], [1, n], [m, 1], []][addend];
        if (c) inputs.push(uniform(random, c));
        await check("Gemm", inputs, {
          transA: { int: transA },
          transB: { int: transB },
          alpha: { float: alpha },
          beta: { float: beta },
        });
      },
    ),
    { ...runs, numRuns: 30 },
  ));

describe("MatMul", () => {
  const sizes = fc.tuple(size, size, size);

  test("batch axes broadcast", () =>
    fc.assert(
      fc.asyncProperty(sizes, pair, seed, bit, async ([m, n, k], [a, b], from, swap) => {
        const random = createRandom(from);
        const [left, right] = swap ? [b, a] : [a, b];
        await check("MatMul", [
          uniform(random, [...left, m, k]),
          uniform(random, [...right, k, n]),
        ]);
      }),
      { ...runs, numRuns: 20 },
    ));

  test("factors of one dimension on either side or both", () =>
    fc.assert(
      fc.asyncProperty(sizes, pair, seed, async ([m, n, k], [batch], from) => {
        const random = createRandom(from);
        await check("MatMul", [uniform(random, [k]), uniform(random, [...batch, k, n])]);
        await check("MatMul", [uniform(random, [...batch, m, k]), uniform(random, [k])]);
        await check("MatMul", [uniform(random, [k]), uniform(random, [k])]);
      }),
      runs,
    ));

  const backward = (a: readonly number[], b: readonly number[], trained: string): string[] => {
    const graph = new GraphBuilder();
    graph.input("a", { type: "float32", shape: a });
    graph.input("b", { type: "float32", shape: b });
    const loss = graph.emit("ReduceSum", [graph.emit("MatMul", ["a", "b"])], {
      keepdims: { int: 1 },
    });
    const [gradient = ""] = differentiate(graph, loss, [trained]).values();
    const before = graph.nodes.findIndex((node) => node.operator === "ReduceSum");
    const used = new Set(graph.build("g", [gradient]).nodes.map((node) => node.name));
    return graph.nodes
      .slice(before + 1)
      .filter((node) => used.has(node.name))
      .map((node) => node.operator)
      .filter((operator) => operator !== "Reshape" && operator !== "Expand");
  };

  test("a trained matrix has one product over all rows of a batch in time, nothing but Reshape beside it", () => {
    expect(backward([8, 5, 3], [3, 4], "b")).toEqual(["Gemm"]);
    expect(backward([8, 5, 3], [3, 4], "a")).toEqual(["Gemm"]);
    expect(backward([8, 3], [3, 4], "b")).toEqual(["Gemm"]);
    expect(backward([8, 5, 3], [3], "b")).toEqual(["Gemm"]);
  });
});

describe("Einsum", () => {
  const letters: Readonly<Record<string, number>> = { a: 2, b: 3, i: 2, j: 3, k: 4, h: 2 };

  test.each([
    "ij,jk->ik",
    "ij,kj->ki",
    "bij,bjk->bik",
    "bhik,bhjk->bhij",
    "bhij,bjhk->bihk",
    "i,j->ij",
    "ij,ij->",
    "ij,j->i",
    "ijk,k->ji",
    "ij,kh->ik",
    "ij,jk",
    "ij -> ji",
    "ijk->j",
    "ij->",
    "ij,jk,kh->ih",
    ",ij->i",
  ])("%s", async (equation) => {
    const random = createRandom(3);
    const terms = equation.replaceAll(" ", "").split("->")[0]?.split(",") ?? [];
    const inputs = terms.map((term) =>
      uniform(
        random,
        [...term].map((each) => letters[each] ?? 1),
      ),
    );
    await check("Einsum", inputs, { equation: { string: equation } });
  });

  test.each([
    ["ii->i", [[2, 2]], "node here (Einsum): the term ii of ii->i is not one letter an axis"],
    [
      "...i,i->...",
      [[2], [2]],
      "node here (Einsum): an ellipsis, as in ...i,i->..., is not supported",
    ],
    [
      "ij,jk->ik",
      [
        [2, 3],
        [4, 2],
      ],
      "the equation ij,jk->ik does not fit; inputs: float32[2,3], float32[4,2]",
    ],
    ["ij,jk->ik", [[2, 3]], "does not fit"],
    [
      "bij,bjk->bik",
      [
        [1, 2, 3],
        [2, 3, 4],
      ],
      "does not fit",
    ],
    ["ij->ijk", [[2, 3]], "does not fit"],
  ] as const)("%s of %j is refused", (equation, shapes, message) => {
    const graph = new GraphBuilder();
    const names = shapes.map((shape, i) => graph.input(`x${i}`, { type: "float32", shape }));
    const add = () => graph.emit("Einsum", names, { equation: { string: equation } }, "here");
    expect(add).toThrow(message);
  });
});
