/**
 * Flags and compare entries over the data of the file, before validation. Every value remembers who set it
 * last. When the kind of an object changes, the keys that only the old kind knows are dropped.
 */
import { parseDocument } from "yaml";
import { InputError } from "../core/errors.ts";
import { valueAt } from "./file/issues.ts";
import {
  childOf,
  isObject,
  type Schema,
  schemaAt,
  shapeFor,
  shapeOf,
  unwrap,
  variantsOf,
} from "./file/schema.ts";
import { type Data, type Path, type Place, placeText, type Source } from "./file/source.ts";

/** One change: nested data to lay over the file, and who asked for it. */
export interface Change {
  readonly data: Data;
  /** Who set the value at `path` of `data`. */
  readonly place: (path: Path) => Place;
  /** A flag meant for every row is left out where a row's kind does not know its key. */
  readonly lenient?: boolean | undefined;
}

/** The file's data with all changes, and the place of every value. */
export interface Merged {
  readonly data: Data;
  readonly place: (path: Path, of?: "key" | "value") => Place | undefined;
  /** Keys of lenient changes that found no place. */
  readonly skipped: readonly { readonly path: Path; readonly change: Change }[];
}

/** Sites say where they are in one of these ways. */
const EXCLUSIVE: readonly string[] = ["preset", "file", "count"];

/**
 * A flag `key.path=value`; the value is read as YAML.
 * @throws InputError where there is no `=`, an empty key or a value that is no YAML.
 */
export function parseSetting(text: string, flag = "--set"): Change {
  const bad = (message: string, fix: string): never => {
    throw new InputError([{ code: "BAD_SETTING", file: `${flag} ${text}`, message, fix }]);
  };
  const cut = text.indexOf("=");
  if (cut <= 0) bad("expected key.path=value", "for example --set between.significance=0.02");
  const path = text.slice(0, cut).trim().split(".");
  if (path.some((part) => part === "")) bad("the key has an empty part", "write it as a.b.c=value");
  if (path.includes("__proto__")) bad("there is no key __proto__", "name a key of the file");
  const document = parseDocument(text.slice(cut + 1), { prettyErrors: false });
  if (document.errors.length > 0) {
    bad(`the value is not readable: ${document.errors[0]?.message}`, "quote it for your shell");
  }
  return { data: nest(path, document.toJS()), place: () => ({ file: `${flag} ${text}` }) };
}

/** { "a.b": 1 } as { a: { b: 1 } }, at every depth. */
export function expandDots(data: Data): Data {
  let result: Data = {};
  for (const [key, value] of Object.entries(data)) {
    const inner = isObject(value) ? expandDots(value) : value;
    result = overlay(result, nest(key.split("."), inner));
  }
  return result;
}

const nest = (path: readonly string[], value: unknown): Data =>
  path.reduceRight<unknown>((inner, part) => own([[part, inner]]), value) as Data;

/** An object whose keys are its own, whatever they are called. */
const own = (entries: readonly (readonly [string, unknown])[]): Data => Object.fromEntries(entries);

const overlay = (below: Data, above: Data): Data => {
  const result = new Map(Object.entries(below));
  for (const [key, value] of Object.entries(above)) {
    const old = result.get(key);
    result.set(key, isObject(old) && isObject(value) ? overlay(old, value) : value);
  }
  return own([...result]);
};

/** Lays the changes over the file, in order. */
export function merge(source: Source, changes: readonly Change[], schema: Schema): Merged {
  let data = source.data;
  const set: { readonly path: Path; readonly place: Place }[] = [];
  const skipped: { readonly path: Path; readonly change: Change }[] = [];
  for (const change of changes) {
    const put = (path: Path, place: Place): void => {
      set.push({ path, place });
    };
    const skip = (path: Path): void => {
      skipped.push({ path, change });
    };
    const walk = { change, put, skip };
    data = layer(data, change.data, [], schema, walk) as Data;
  }
  const place = (path: Path, of?: "key" | "value"): Place | undefined => {
    const own = set.findLast((entry) => startsWith(path, entry.path));
    if (own) return own.place;
    return source.place(path, of) ?? set.findLast((entry) => startsWith(entry.path, path))?.place;
  };
  return { data, place, skipped };
}

interface Walk {
  readonly change: Change;
  readonly put: (path: Path, place: Place) => void;
  readonly skip: (path: Path) => void;
}

function layer(
  old: unknown,
  value: unknown,
  path: Path,
  schema: Schema | undefined,
  walk: Walk,
): unknown {
  if (
    Array.isArray(old) &&
    isObject(value) &&
    Object.keys(value).every((key) => /^\d+$/.test(key))
  ) {
    const items = [...old];
    for (const [key, item] of Object.entries(value)) {
      const child = schema && schemaAt(schema, old, [Number(key)]);
      items[Number(key)] = layer(items[Number(key)], item, [...path, Number(key)], child, walk);
    }
    return items;
  }
  if (!isObject(value)) {
    walk.put(path, walk.change.place(path));
    return value;
  }
  const kept = isObject(old) ? withoutOtherKind(old, value, schema) : {};
  if (!isObject(old) && Object.keys(value).length === 0) walk.put(path, walk.change.place(path));
  const result = new Map(Object.entries(kept));
  for (const [key, item] of Object.entries(value)) {
    const whole = { ...kept, ...value };
    if (walk.change.lenient && schema && belongsToOtherKind(schema, whole, key)) {
      walk.skip([...path, key]);
      continue;
    }
    const child = schema && childOf(shapeFor(schema, whole), key);
    result.set(key, layer(result.get(key), item, [...path, key], child, walk));
  }
  return own([...result]);
}

function belongsToOtherKind(schema: Schema, value: Data, key: string): boolean {
  const union = variantsOf(schema);
  if (!union || key === union.key) return false;
  const mine = shapeFor(schema, value);
  if (!mine || Object.hasOwn(mine, key)) return false;
  return [...union.variants.values()].some((other) => Object.hasOwn(other, key));
}

function withoutOtherKind(old: Data, patch: Data, schema: Schema | undefined): Data {
  if (!schema) return old;
  const union = variantsOf(schema);
  if (union) {
    const kind = patch[union.key];
    if (kind === undefined || kind === old[union.key]) return old;
    const shape = union.variants.get(String(kind));
    return own(Object.entries(old).filter(([key]) => !shape || Object.hasOwn(shape, key)));
  }
  const shape = shapeOf(unwrap(schema));
  if (!shape || !EXCLUSIVE.every((key) => Object.hasOwn(shape, key))) return old;
  const said = EXCLUSIVE.filter((key) => Object.hasOwn(patch, key));
  if (said.length === 0) return old;
  return own(Object.entries(old).filter(([key]) => !EXCLUSIVE.includes(key) || said.includes(key)));
}

const startsWith = (path: Path, prefix: Path): boolean =>
  prefix.length <= path.length && prefix.every((part, i) => String(part) === String(path[i]));

/** Dotted path of every value of a resolved spec, with who set it: `default`, `file:line`, a flag. */
export function originsOf(spec: unknown, merged: Merged): Record<string, string> {
  const origins: Record<string, string> = {};
  const visit = (value: unknown, path: Path): void => {
    if (isObject(value) && Object.keys(value).length > 0) {
      for (const [key, child] of Object.entries(value)) visit(child, [...path, key]);
      return;
    }
    const given = valueAt(merged.data, path) !== undefined;
    const place = given ? merged.place(path) : undefined;
    origins[path.join(".")] = place ? placeText(place) : "default";
  };
  visit(spec, []);
  return origins;
}
