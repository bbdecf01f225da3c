/** The data of a run, loaded once for all runs of a comparison that use the same. */
import { createRandom } from "../core/random.ts";
import { type LoadedData, loadData } from "../data/load.ts";
import { loadOwn } from "../data/own/own.ts";
import { hasPlaces } from "../data/spec.ts";
import type { Files } from "./find-file.ts";
import { loadGrid } from "./presets/load.ts";
import type { RunSpec } from "./spec.ts";

export async function loadRunData(
  spec: RunSpec,
  host: Files,
  loaded: Map<string, LoadedData>,
): Promise<LoadedData> {
  // How rows are dealt and when they arrive is decided later.
  const { split: _split, stream: _stream, ...source } = { stream: undefined, ...spec.data };
  const grid = hasPlaces(spec.data) ? await loadGrid(spec.sites, host) : undefined;
  const sites = grid?.topology.sites.map(({ id }) => id);
  const key = JSON.stringify([source, spec.seed, sites]);
  let data = loaded.get(key);
  if (!data) {
    data = sites
      ? await loadOwn(spec.data, sites, host)
      : await loadData(spec.data, host, createRandom(spec.seed, "data"));
    loaded.set(key, data);
  }
  return data;
}
