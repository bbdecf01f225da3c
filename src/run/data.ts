/** The data of a run, loaded once for all runs of a comparison that use the same. */
import { createRandom } from "../core/random.ts";
import { type LoadedData, loadData } from "../data/load.ts";
import type { Files } from "./find-file.ts";
import type { RunSpec } from "./spec.ts";

export async function loadRunData(
  spec: RunSpec,
  host: Files,
  loaded: Map<string, LoadedData>,
): Promise<LoadedData> {
  // How rows are dealt and when they arrive is decided later.
  const { split: _split, stream: _stream, ...source } = { stream: undefined, ...spec.data };
  const key = JSON.stringify([source, spec.seed]);
  let data = loaded.get(key);
  if (!data) {
    data = await loadData(spec.data, host, createRandom(spec.seed, "data"));
    loaded.set(key, data);
  }
  return data;
}
