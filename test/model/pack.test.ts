/** The package as its users get it, without the optional native library. Needs `npm run build` before. */
import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

test("npm pack into an empty folder trains on WebAssembly and says once how to get the native library", () => {
  const script = fileURLToPath(new URL("../../scripts/test-pack.mjs", import.meta.url));
  const output = execFileSync(process.execPath, [script], { encoding: "utf8" });
  const { losses, messages } = JSON.parse(output) as { losses: number[]; messages: string[] };
  expect(losses[0]).toBeCloseTo(Math.LN2, 5);
  expect(losses[1]).toBeLessThan(0.3);
  expect(losses.slice(2)).toEqual(losses.slice(0, 2));
  const said = messages.filter((line) =>
    line.includes("npm install onnxruntime-node --ignore-scripts"),
  );
  expect(said).toHaveLength(1);
  expect(messages).toEqual(said);
}, 120_000);
