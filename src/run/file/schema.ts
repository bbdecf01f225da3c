/**
 * Walks a zod schema beside the data it describes: which keys are valid at a place, which values, and what
 * a value there is called in plain words.
 */
import type { z } from "zod";
import { editDistance } from "../../core/nearest.ts";
import type { Path } from "./source.ts";

export type Schema = z.core.$ZodType;
type Shape = Readonly<Record<string, Schema>>;

/** The fields of zod's definitions that the walk reads. */
interface Def {
  readonly type: string;
  readonly innerType?: Schema;
  readonly in?: Schema;
  readonly shape?: Shape;
  readonly element?: Schema;
  readonly valueType?: Schema;
  readonly options?: readonly Schema[];
  readonly discriminator?: string;
  readonly entries?: Readonly<Record<string, string>>;
  readonly values?: readonly unknown[];
  readonly checks?: readonly { readonly _zod: { readonly def: { readonly format?: string } } }[];
}

const defOf = (schema: Schema): Def => schema._zod.def as unknown as Def;

/** Without defaults, optionality and the like. */
export function unwrap(schema: Schema): Schema {
  let inner = schema;
  for (;;) {
    const def = defOf(inner);
    const next = def.innerType ?? (def.type === "pipe" ? def.in : undefined);
    if (!next) return inner;
    inner = next;
  }
}

export const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

export const shapeOf = (schema: Schema): Shape | undefined => defOf(unwrap(schema)).shape;

/** Whether an absent value is accepted. */
export function isRequired(schema: Schema): boolean {
  const def = defOf(schema);
  return !["optional", "default", "prefault"].includes(def.type);
}

/** The key that tells the variants of a union apart, and the variants by its value. */
export function variantsOf(
  schema: Schema,
): { readonly key: string; readonly variants: ReadonlyMap<string, Shape> } | undefined {
  const def = defOf(unwrap(schema));
  if (def.type !== "union" || !def.discriminator || !def.options) return undefined;
  const variants = new Map<string, Shape>();
  for (const option of def.options) {
    const shape = shapeOf(option);
    const tag = shape?.[def.discriminator];
    for (const value of tag ? (defOf(unwrap(tag)).values ?? []) : []) {
      if (shape) variants.set(String(value), shape);
    }
  }
  return { key: def.discriminator, variants };
}

/** The option of a plain union that the data most looks like. */
export function likeliest(options: readonly Schema[], data: unknown): number {
  let best = 0;
  let bestScore = Number.NEGATIVE_INFINITY;
  options.forEach((option, index) => {
    const score = likeness(option, data);
    if (score > bestScore) {
      best = index;
      bestScore = score;
    }
  });
  return best;
}

function likeness(schema: Schema, data: unknown): number {
  const def = defOf(unwrap(schema));
  if (isObject(data)) {
    if (!def.shape) return -100;
    const keys = Object.keys(def.shape);
    let score = 0;
    for (const key of Object.keys(data)) {
      score -= keys.includes(key)
        ? -10
        : Math.min(...keys.map((other) => editDistance(key, other)));
    }
    return score;
  }
  if (Array.isArray(data)) return def.type === "array" ? 0 : -100;
  if (typeof data === "number") return def.type === "number" ? 0 : -100;
  return def.type === "enum" || def.type === "literal" || def.type === "string" ? 0 : -100;
}

/** The shape that `data` at this schema is held to; nothing where it is no object or its kind unknown. */
export function shapeFor(schema: Schema, data: unknown): Shape | undefined {
  const plain = unwrap(schema);
  const union = variantsOf(plain);
  if (union) {
    const kind = isObject(data) ? data[union.key] : undefined;
    return typeof kind === "string" ? union.variants.get(kind) : undefined;
  }
  const def = defOf(plain);
  if (def.type === "union" && def.options) {
    return shapeFor(def.options[likeliest(def.options, data)]!, data);
  }
  return def.shape;
}

/** The schema of a key; what every object inherits is no key. */
export const childOf = (shape: Shape | undefined, key: string): Schema | undefined =>
  shape && Object.hasOwn(shape, key) ? shape[key] : undefined;

/** The schema of the value at `path`, the data deciding between variants. */
export function schemaAt(schema: Schema, data: unknown, path: Path): Schema | undefined {
  let here: Schema | undefined = schema;
  let value = data;
  for (const part of path) {
    if (!here) return undefined;
    const def = defOf(unwrap(here));
    if (def.type === "union" && !def.discriminator && def.options) {
      here = def.options[likeliest(def.options, value)];
    }
    const plain: Def | undefined = here && defOf(unwrap(here));
    if (!here || !plain) return undefined;
    if (plain.type === "array") here = plain.element;
    else if (plain.type === "record") here = plain.valueType;
    else here = childOf(shapeFor(here, value), String(part));
    value = isObject(value) || Array.isArray(value) ? (value as never)[part] : undefined;
  }
  return here;
}

/** The words a value may be, each once, where there is a list of them. */
export const valuesOf = (schema: Schema): readonly string[] => [...new Set(wordsOf(schema))];

function wordsOf(schema: Schema): readonly string[] {
  const def = defOf(unwrap(schema));
  if (def.type === "enum") return Object.values(def.entries ?? {});
  if (def.type === "literal") return (def.values ?? []).map(String);
  if (def.type === "union") {
    const union = variantsOf(schema);
    return union ? [...union.variants.keys()] : (def.options ?? []).flatMap(wordsOf);
  }
  return [];
}

/** What stands at a place, in plain words: "a whole number", "one of bsp, ssp, tap". */
export function expectation(schema: Schema): string {
  const plain = unwrap(schema);
  const def = defOf(plain);
  const union = variantsOf(plain);
  if (union) return `an object with ${union.key}: ${[...union.variants.keys()].join(", ")}`;
  switch (def.type) {
    case "number":
      return def.checks?.some((check) => check._zod.def.format === "safeint")
        ? "a whole number"
        : "a number";
    case "string":
      return "text";
    case "boolean":
      return "true or false";
    case "array":
      return "a list";
    case "object":
    case "record":
      return "an object";
    case "enum":
    case "literal": {
      const values = valuesOf(plain);
      return values.length === 1 ? String(values[0]) : `one of ${values.join(", ")}`;
    }
    case "union":
      return (def.options ?? []).map(optionText).join(", or ");
    default:
      return "something else";
  }
}

function optionText(option: Schema): string {
  const shape = shapeOf(option);
  if (!shape) return expectation(option);
  const required = Object.keys(shape).filter((key) => isRequired(shape[key]!));
  return `{ ${required.map((key) => `${key}: …`).join(", ")} }`;
}

/** Every place of the schema with this key, as dotted paths; to say where a misplaced key belongs. */
export function placesOfKey(schema: Schema, key: string, under: string[] = []): string[] {
  const plain = unwrap(schema);
  const def = defOf(plain);
  if (under.length > 4) return [];
  if (def.shape) {
    return Object.entries(def.shape).flatMap(([name, child]) => [
      ...(name === key ? [[...under, name].join(".")] : []),
      ...placesOfKey(child, key, [...under, name]),
    ]);
  }
  if (def.type === "union" && def.discriminator) {
    return [...new Set((def.options ?? []).flatMap((option) => placesOfKey(option, key, under)))];
  }
  return [];
}
