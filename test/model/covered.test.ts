/** Every operator with a gradient is held against central differences somewhere. */
import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { GRADIENT_RULES } from "../../src/model/onnx/gradient/table.ts";
import { LOWERINGS } from "../../src/model/onnx/lower/table.ts";

const files = readdirSync("test/model").filter((name) => name.endsWith(".test.ts"));
const checked = files
  .map((name) => readFileSync(`test/model/${name}`, "utf8"))
  .filter((text) => /expectGradients|gradient-check\.ts|differentiate\(/.test(text))
  .join("\n");
const named = (operator: string): boolean => new RegExp(`["\\s]${operator}\\b`).test(checked);

test.each([
  ["gradient rules", GRADIENT_RULES],
  ["operators that are written out", LOWERINGS],
])("%s", (_, table) => {
  expect(Object.keys(table).filter((operator) => !named(operator))).toEqual([]);
});
