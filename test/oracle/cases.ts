/** The reference cases that PyTorch made (README.md says how and in which format), read for the tests. */
import { readdirSync, readFileSync } from "node:fs";
import { type NamedTensor, readSafetensors } from "../../src/codec/safetensors.ts";

const FOLDER = new URL("../fixtures/onnx/", import.meta.url);

export interface OracleCase {
  /** Of the file of references: a family of operators, or a whole model. */
  readonly pack: string;
  readonly name: string;
  /** An ONNX file. */
  readonly model: Uint8Array;
  readonly about: About;
  /** By kind ("input", "gradient", …), then by the value's name in the model. */
  readonly tensors: ReadonlyMap<string, ReadonlyMap<string, NamedTensor>>;
}

interface About {
  readonly operators: readonly string[];
  readonly exporter: string;
  readonly training: boolean;
  readonly loss: "weighted" | "cross-entropy";
}

/** Every file of references, by name. */
export const packs = (): readonly string[] =>
  readdirSync(FOLDER)
    .filter((file) => file.endsWith(".safetensors"))
    .map((file) => file.replace(".safetensors", ""));

export function casesOf(pack: string): readonly OracleCase[] {
  const file = `${pack}.safetensors`;
  const { tensors, metadata } = readSafetensors(bytesOf(file), { file });
  return [...metadata.keys()]
    .filter((key) => key.endsWith("/about"))
    .map((key) => {
      const name = key.replace("/about", "");
      return {
        pack,
        name,
        model: modelOf(name, metadata),
        about: JSON.parse(metadata.get(key) ?? "{}") as About,
        tensors: byKind(name, tensors),
      };
    });
}

/** A plain array: a Buffer's methods differ. */
const bytesOf = (file: string): Uint8Array => new Uint8Array(readFileSync(new URL(file, FOLDER)));

/** In the pack, or a file beside it. */
function modelOf(name: string, metadata: ReadonlyMap<string, string>): Uint8Array {
  const inside = metadata.get(`${name}/model`);
  if (inside !== undefined) return Buffer.from(inside, "base64");
  return bytesOf(`${name}.onnx`);
}

function byKind(
  name: string,
  tensors: readonly NamedTensor[],
): Map<string, Map<string, NamedTensor>> {
  const kinds = new Map<string, Map<string, NamedTensor>>();
  for (const tensor of tensors) {
    const [owner, kind, value = ""] = tensor.name.split("/");
    if (owner !== name || kind === undefined) continue;
    const known = kinds.get(kind) ?? new Map<string, NamedTensor>();
    kinds.set(kind, known.set(value, tensor));
  }
  return kinds;
}

/** Where in a gradient of `size` elements the stored samples stand. */
export const sampled = (size: number, samples: number): readonly number[] =>
  Array.from({ length: samples }, (_, i) => (i * 7919) % size);
