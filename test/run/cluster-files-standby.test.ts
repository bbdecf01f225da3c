/** Standbys lead a run on whose grid and model they have not (needs `npm run build` before). */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readSafetensors } from "../../src/codec/safetensors.ts";
import { small } from "../sync/real.ts";
import { executeOn } from "./own-data.ts";
import { experiment, MODEL } from "./run-files.ts";
import { ledByThree } from "./standbys.ts";

test("the third coordinator ends it with the bits of one process: each had the files from the one before", async () => {
  const own = experiment();
  const slow = (more: Record<string, unknown> = {}) =>
    small({
      sites: { file: "grids/far.yaml", workers: 1 },
      ...{ model: MODEL, stop: { maxClocks: 300 }, evaluate: { every: 20 }, ...more },
    });
  const folder = await ledByThree(slow, "evaluation", [own.folder]);
  const { tensors } = readSafetensors(readFileSync(join(folder, "model.safetensors")));
  const { outcome } = await executeOn(own.folder, slow());
  expect(tensors.flatMap(({ data }) => [...data])).toEqual([...(outcome.global?.parameters ?? [])]);
  own.remove();
}, 60_000);
