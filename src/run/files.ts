/**
 * What a run leaves beside its event log, as bytes to be written: the resolved specification with the
 * origin of every value, and the models. Reading and writing files is the caller's business.
 */
import { writeHeaded } from "../codec/headed.ts";
import { writeSafetensors } from "../codec/safetensors.ts";
import { type Layout, viewOf } from "../model/layout.ts";
import { inferenceModel } from "../model/onnx/inference.ts";
import { writeModelFile } from "../model/onnx/proto/write.ts";
import type { RunOutcome } from "./host.ts";
import type { ResolvedRun } from "./load.ts";
import type { RunSpec } from "./spec.ts";
import type { RunView } from "./view.ts";

export interface OutFile {
  /** With slashes, relative to the run's folder. */
  readonly path: string;
  readonly content: string | Uint8Array;
}

/** spec.json as it is read back. */
export interface SpecFile {
  readonly name: string;
  readonly spec: RunSpec;
  readonly origins: Readonly<Record<string, string>>;
}

export const specFile = ({ name, spec, origins }: ResolvedRun): OutFile => ({
  path: "spec.json",
  content: `${JSON.stringify({ name, spec, origins } satisfies SpecFile, null, 2)}\n`,
});

/**
 * models/SITE.safetensors where the sites' models differ; model.safetensors where there is one for all;
 * model.onnx with the model for all, or else the first site's. Of a run on streams: models/SITE.tailored, what the model
 * saved behind a small JSON header.
 */
export function modelFiles(name: string, outcome: RunOutcome, view: RunView): OutFile[] {
  const { layout, graph, models, global } = outcome;
  const facts = (origin: string, clock: number): Record<string, string> => ({
    run: name,
    origin,
    clock: String(clock),
    framework: "pangaea",
  });
  const clockOf = (site: string): number => view.sites.get(site)?.clock ?? 0;
  const files: OutFile[] = models.map(({ site, parameters }) => ({
    path: `models/${site}.safetensors`,
    content: writeSafetensors(tensors(layout, parameters), facts(`copy of ${site}`, clockOf(site))),
  }));
  if (global) {
    const clock = view.final?.clock ?? view.evaluations.at(-1)?.clock ?? 0;
    files.push({
      path: "model.safetensors",
      content: writeSafetensors(tensors(layout, global.parameters), facts(global.origin, clock)),
    });
  }
  const first = global ?? models[0];
  if (graph && first) {
    const weights = "origin" in first ? first.origin : `copy of ${first.site}`;
    const metadata = { "pangaea.run": name, "pangaea.weights": weights };
    const content = writeModelFile(
      inferenceModel(graph, valuesOf(layout, first.parameters), metadata),
    );
    files.push({ path: "model.onnx", content });
  }
  for (const { site, saved, ...about } of outcome.tailored ?? [])
    files.push({
      path: `models/${site}.tailored`,
      content: writeHeaded({ run: name, site, ...about, framework: "pangaea" }, saved),
    });
  return files;
}

const valuesOf = (layout: Layout, flat: Float32Array): Map<string, Float32Array> =>
  new Map(layout.tensors.map((tensor) => [tensor.name, viewOf(flat, tensor)]));

const tensors = (layout: Layout, flat: Float32Array) =>
  layout.tensors.map((tensor) => ({
    name: tensor.name,
    shape: tensor.shape,
    data: viewOf(flat, tensor),
  }));
