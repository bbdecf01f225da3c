/** An experiment's own files in a folder that only its coordinator has: a grid, a model with weights beside it. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { encode, type Message } from "../../src/model/onnx/proto/encode.ts";
import { mixed } from "../sync/harness.ts";
import { put } from "./own-data.ts";

/** Two sites; links that no preset has. */
const grid = (roundTripMs: number): string => `
sites: [{ id: site-0 }, { id: site-1 }]
bandwidthMbps: [[0, 200], [150, 0]]
roundTripMs: [[0, ${roundTripMs}], [${roundTripMs}, 0]]
`;
export const GRID = grid(4);
const THREE = `
sites: [{ id: site-0 }, { id: site-1 }, { id: site-2 }]
bandwidthMbps: [[0, 200, 100], [150, 0, 200], [200, 200, 0]]
roundTripMs: [[0, 4, 6], [4, 0, 2], [6, 2, 0]]
`;

const CLASSES = 10;
const PIXELS = 28 * 28;

/** Weights of a linear classifier, then its biases. */
const weights = (): Uint8Array =>
  new Uint8Array(
    Float32Array.from({ length: (PIXELS + 1) * CLASSES }, (_, i) => (mixed(i, 3) % 100) / 5000)
      .buffer,
  );

const beside = (name: string, dims: readonly number[], offset: number): Message => ({
  ...{ name, dims, dataType: 1, dataLocation: 1 },
  externalData: Object.entries({
    location: "weights.bin",
    offset: String(4 * offset),
    length: String(4 * dims.reduce((a, b) => a * b)),
  }).map(([key, value]) => ({ key, value })),
});

const value = (name: string, dim: readonly Message[]): Message => ({
  name,
  type: { tensorType: { elemType: 1, shape: { dim } } },
});

const model = (): Uint8Array =>
  encode("Model", {
    irVersion: 8,
    opsetImport: [{ domain: "", version: 17 }],
    graph: {
      name: "linear",
      node: [
        { opType: "Flatten", input: ["x"], output: ["flat"] },
        { opType: "Gemm", input: ["flat", "w", "b"], output: ["y"] },
      ],
      initializer: [beside("w", [PIXELS, CLASSES], 0), beside("b", [CLASSES], PIXELS * CLASSES)],
      input: [
        value("x", [{ dimParam: "batch" }, { dimValue: 1 }, { dimValue: 28 }, { dimValue: 28 }]),
      ],
      output: [value("y", [{ dimParam: "batch" }, { dimValue: CLASSES }])],
    },
  });

export interface Experiment {
  /** Where the files lie. */
  readonly folder: string;
  /** Where nothing lies. */
  readonly nothing: string;
  remove(): void;
}

export function experiment(): Experiment {
  const base = mkdtempSync(join(tmpdir(), "run-files-"));
  const [folder, nothing] = [join(base, "lead"), join(base, "agent")];
  put(folder, "grids/two.yaml", GRID);
  put(folder, "grids/far.yaml", grid(25));
  put(folder, "grids/three.yaml", THREE);
  put(folder, "models/linear.onnx", model());
  put(folder, "models/weights.bin", weights());
  return { folder, nothing, remove: () => rmSync(base, { recursive: true, force: true }) };
}

export const SITES = { file: "grids/two.yaml", workers: 1 };
export const MODEL = { kind: "onnx", path: "models/linear.onnx" };
