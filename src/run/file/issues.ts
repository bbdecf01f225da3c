/**
 * What zod found, in plain words: every issue with what was expected, what stands there, and the nearest
 * right key or value. Places are filled in by the caller, who knows the files and flags.
 */
import type { z } from "zod";
import type { InputIssue } from "../../core/errors.ts";
import { nearest } from "../../core/nearest.ts";
import {
  expectation,
  isObject,
  isRequired,
  likeliest,
  placesOfKey,
  type Schema,
  schemaAt,
  shapeFor,
  shapeOf,
  unwrap,
  valuesOf,
  variantsOf,
} from "./schema.ts";
import type { Path } from "./source.ts";

/** An issue before it has a place: `at` says whether the key, the value or the object around it is meant. */
export interface Finding {
  readonly issue: InputIssue & { readonly path: Path };
  readonly at: "key" | "value" | "parent";
}

type ZodIssue = z.core.$ZodIssue;

export const valueAt = (data: unknown, path: Path): unknown => {
  let value = data;
  for (const part of path) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, part))
      return undefined;
    value = (value as Record<string | number, unknown>)[part];
  }
  return value;
};

/** All findings of a failed parse; a missing key that a misspelt one stands for is not told twice. */
export function findings(schema: Schema, data: unknown, issues: readonly ZodIssue[]): Finding[] {
  const found = issues.flatMap((issue) => explain(schema, data, issue));
  const corrected = new Set<string>();
  for (const { issue } of found) {
    if (issue.code === "UNKNOWN_KEY" && issue.fix?.startsWith("did you mean ")) {
      const key = issue.fix.slice("did you mean ".length, -1);
      corrected.add(JSON.stringify([...issue.path.slice(0, -1), key]));
    }
  }
  return found.filter(
    ({ issue }) => issue.code !== "MISSING_KEY" || !corrected.has(JSON.stringify(issue.path)),
  );
}

function explain(root: Schema, data: unknown, issue: ZodIssue): Finding[] {
  const path = issue.path.filter((part) => typeof part !== "symbol");
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map((key) => unknownKey(root, data, [...path, key], key));
  }
  if (issue.code === "invalid_union" && issue.errors.length > 0) {
    const schema = schemaAt(root, data, path);
    const options = (schema && (unwrap(schema) as { options?: Schema[] }).options) ?? [];
    const value = valueAt(data, path);
    if (isObject(value) && options.length > 0) {
      const inner = issue.errors[likeliest(options, value)] ?? [];
      const moved = inner.map(
        (child) => ({ ...child, path: [...path, ...child.path] }) as ZodIssue,
      );
      return moved.flatMap((child) => explain(root, data, child));
    }
    return [wrongValue(root, data, path)];
  }
  const value = valueAt(data, path);
  if (value === undefined && isGap(issue)) return [missingKey(root, data, path)];
  if (issue.code === "too_big" || issue.code === "too_small")
    return [outOfRange(issue, path, value)];
  if (issue.code === "custom") return [refused(path, issue.message)];
  return [wrongValue(root, data, path)];
}

const isGap = (issue: ZodIssue): boolean =>
  issue.code === "invalid_type" || issue.code === "invalid_value" || issue.code === "invalid_union";

const shown = (value: unknown): string => {
  if (typeof value === "string") return `"${value.length > 40 ? `${value.slice(0, 40)}…` : value}"`;
  if (Array.isArray(value)) return "a list";
  if (isObject(value)) return "an object";
  if (value === null) return "nothing";
  return String(value);
};

function unknownKey(root: Schema, data: unknown, path: Path, key: string): Finding {
  const parentPath = path.slice(0, -1);
  const parent = schemaAt(root, data, parentPath);
  const value = valueAt(data, parentPath);
  const shape = parent && shapeFor(parent, value);
  const keys = Object.keys(shape ?? {});
  const given = isObject(value) ? Object.keys(value) : [];
  const free = keys.filter((candidate) => !given.includes(candidate));
  const alike = nearest(key, free) ?? nearest(key, keys);
  const union = parent && variantsOf(parent);
  const owners = [...(union?.variants ?? [])].filter(([, other]) => Object.hasOwn(other, key));
  let message = `unknown key ${key}`;
  let fix = keys.length > 0 ? `keys here: ${keys.join(", ")}` : undefined;
  const elsewhere = placesOfKey(root, key);
  if (owners.length > 0 && union && isObject(value)) {
    message = `${key} does not go with ${union.key}: ${String(value[union.key])}`;
    fix = `it belongs to ${owners.map(([kind]) => kind).join(", ")}; remove it or change ${union.key}`;
  } else if (alike !== undefined) fix = `did you mean ${alike}?`;
  else if (elsewhere.length > 0) fix = `it belongs at ${elsewhere.slice(0, 3).join(" or ")}`;
  return { at: "key", issue: { code: "UNKNOWN_KEY", path, message, fix } };
}

function missingKey(root: Schema, data: unknown, path: Path): Finding {
  const schema = schemaAt(root, data, path);
  const key = String(path.at(-1) ?? "");
  const parent = schemaAt(root, data, path.slice(0, -1));
  const union = parent && variantsOf(parent);
  const expected =
    union?.key === key
      ? `one of ${[...union.variants.keys()].join(", ")}`
      : schema
        ? expectation(schema)
        : "a value";
  const fix = `add ${key}: ${expected}`;
  return { at: "parent", issue: { code: "MISSING_KEY", path, message: "is missing", fix } };
}

function wrongValue(root: Schema, data: unknown, path: Path): Finding {
  const value = valueAt(data, path);
  const tagged = path.length > 0 && variantsOf(schemaAt(root, data, path.slice(0, -1)) ?? root);
  const schema = schemaAt(root, data, path);
  const words =
    tagged && tagged.key === path.at(-1)
      ? [...tagged.variants.keys()]
      : schema
        ? valuesOf(schema)
        : [];
  const at = "value" as const;
  if (typeof value === "string" && words.length > 0) {
    const union = schema && variantsOf(schema);
    const alike = nearest(value, words);
    if (union && alike !== undefined) {
      const shape = union.variants.get(alike) ?? {};
      const more = Object.keys(shape).filter((key) => key !== union.key && isRequired(shape[key]!));
      const inner = [`${union.key}: ${alike}`, ...more.map((key) => `${key}: …`)].join(", ");
      const message = `expected ${expectation(schema)}, got ${shown(value)}`;
      return { at, issue: { code: "WRONG_TYPE", path, message, fix: `write { ${inner} }` } };
    }
    if (union) {
      const message = `expected ${expectation(schema)}, got ${shown(value)}`;
      return { at, issue: { code: "WRONG_TYPE", path, message } };
    }
    const message = `${shown(value)} is not one of ${words.join(", ")}`;
    const fix = alike === undefined ? `use ${words.join(" or ")}` : `did you mean ${alike}?`;
    return { at, issue: { code: "WRONG_VALUE", path, message, fix } };
  }
  const expected =
    words.length > 0 && tagged && tagged.key === path.at(-1)
      ? `one of ${words.join(", ")}`
      : schema
        ? expectation(schema)
        : "another value";
  const message = `expected ${expected}, got ${shown(value)}`;
  const fix = typeof value === "string" ? unquoted(value, expected) : undefined;
  return { at, issue: { code: "WRONG_TYPE", path, message, fix } };
}

/** A number in quotes, a percentage, a word for a truth value. */
function unquoted(text: string, expected: string): string | undefined {
  if (expected.endsWith("number")) {
    const percent = /^\s*([\d.]+)\s*%\s*$/.exec(text)?.[1];
    if (percent !== undefined) return `write ${Number(percent) / 100}`;
    if (text.trim() !== "" && Number.isFinite(Number(text)))
      return `write ${Number(text)}, no quotes`;
  }
  if (expected === "true or false") {
    return /^(yes|on|y)$/i.test(text) ? "write true" : "write true or false";
  }
  return undefined;
}

function outOfRange(
  issue: Extract<ZodIssue, { code: "too_big" | "too_small" }>,
  path: Path,
  value: unknown,
): Finding {
  const limit = Number(issue.code === "too_big" ? issue.maximum : issue.minimum);
  const inclusive = issue.inclusive !== false;
  let message: string;
  if (issue.origin === "string" || issue.origin === "array") {
    message = issue.origin === "string" ? "must not be empty" : "needs at least one entry";
  } else if (issue.code === "too_big") {
    message = `must be ${inclusive ? "at most" : "less than"} ${limit}, got ${shown(value)}`;
  } else {
    message = `must be ${inclusive ? "at least" : "greater than"} ${limit}, got ${shown(value)}`;
  }
  const share =
    issue.code === "too_big" && limit === 1 && typeof value === "number" && value <= 100;
  const fix = share && value > 1 ? `shares are between 0 and 1: write ${value / 100}` : undefined;
  return { at: "value", issue: { code: "OUT_OF_RANGE", path, message, fix } };
}

/** A rule across keys, such as "exactly one of preset, file, count". */
function refused(path: Path, message: string): Finding {
  const keys = /^give exactly one of (.*)$/.exec(message)?.[1];
  const fix = keys === undefined ? undefined : `keep one of ${keys}`;
  return { at: "key", issue: { code: "IMPOSSIBLE_PAIR", path, message, fix } };
}

export const keysOf = (schema: Schema): readonly string[] => Object.keys(shapeOf(schema) ?? {});
