/** What `pangaea/codec` offers to the outside; nothing in `src` imports it. */
export { decodeIndices, encodeIndices, indexBytes } from "./indices.ts";
export { writeNpz } from "./npz.ts";
export {
  type NamedTensor,
  type ReadOptions,
  readSafetensors,
  type Safetensors,
  writeSafetensors,
} from "./safetensors.ts";
export {
  decodeUpdate,
  type EncodedUpdate,
  encodeUpdate,
  type SparseUpdate,
  type Update,
  updateBytes,
} from "./update.ts";
