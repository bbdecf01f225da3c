/** The quick example on the real engine: it runs, and the same seed gives the same bytes. */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { runCli } from "../../src/cli/program.ts";
import { fakeIo } from "./fake-io.ts";

const QUICK = resolve("examples/softmax-quick.yaml");
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "pangaea-real-"));
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

it("compares, and repeats itself byte for byte", async () => {
  const outputs: string[] = [];
  for (const out of ["a", "b"]) {
    const io = fakeIo(folder);
    const short = [
      "--set",
      "stop.maxClocks=40",
      "--set",
      "data.rows=2000",
      "--threads",
      "0",
      "--out",
      out,
      "--json",
    ];
    expect(await runCli(["compare", QUICK, ...short], io), io.stderr()).toBe(0);
    outputs.push(io.stdout());
  }
  const [a, b] = outputs.map((text) => JSON.parse(text));
  expect(a.rows).toEqual(b.rows);
  expect(a.rows.map((row: { name: string }) => row.name)).toEqual(["lan", "stretched-bsp", "gaia"]);
  for (const row of a.rows) {
    expect(row.clocks).toBe(40);
    expect(row.final.accuracy).toBeGreaterThan(0.3);
    for (const file of ["events.ndjson", "spec.json", "model.safetensors"]) {
      const [first, second] = await Promise.all(
        ["a", "b"].map((out) => readFile(join(folder, out, row.name, file))),
      );
      expect(first!.equals(second!), `${row.name}/${file}`).toBe(true);
    }
  }
  const [lan, stretched] = a.rows;
  expect(lan.wanBytes).toBe(0);
  expect(stretched.wanBytes).toBeGreaterThan(1e6);
  expect(stretched.final).toEqual(lan.final);
});
