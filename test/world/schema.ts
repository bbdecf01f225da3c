/**
 * A small validator of data against schemas written by hand: what a key may hold, which keys must be there, and no
 * other keys. For formats of which we write a part: Kubernetes' objects, compose files.
 */

export type Schema =
  | { readonly type: "string"; readonly matches?: RegExp; readonly among?: readonly string[] }
  | { readonly type: "integer"; readonly least?: number; readonly most?: number }
  | { readonly type: "boolean" }
  | { readonly type: "any" }
  | { readonly type: "nothing" }
  | { readonly type: "list"; readonly of: Schema; readonly least?: number }
  /** Keys of the user's choice. */
  | { readonly type: "map"; readonly keys?: RegExp; readonly of: Schema }
  | { readonly type: "either"; readonly of: readonly Schema[] }
  | {
      readonly type: "object";
      readonly keys: Readonly<Record<string, Schema>>;
      readonly needs: readonly string[];
      readonly rule?: (value: Readonly<Record<string, unknown>>) => string | undefined;
    };

export const text = (matches?: RegExp): Schema =>
  matches ? { type: "string", matches } : { type: "string" };
export const among = (...words: readonly string[]): Schema => ({ type: "string", among: words });
export const integer = (least?: number, most?: number): Schema => ({
  type: "integer",
  ...(least === undefined ? {} : { least }),
  ...(most === undefined ? {} : { most }),
});
export const yes: Schema = { type: "boolean" };
export const any: Schema = { type: "any" };
export const list = (of: Schema, least = 0): Schema => ({ type: "list", of, least });
export const map = (of: Schema, keys?: RegExp): Schema =>
  keys ? { type: "map", of, keys } : { type: "map", of };
export const either = (...of: readonly Schema[]): Schema => ({ type: "either", of });

/** Keys that end in `!` must be there. */
export function object(
  keys: Readonly<Record<string, Schema>>,
  rule?: (value: Readonly<Record<string, unknown>>) => string | undefined,
): Schema {
  const needs = Object.keys(keys).filter((key) => key.endsWith("!"));
  const plain = Object.entries(keys).map(([key, schema]) => [key.replace(/!$/, ""), schema]);
  return {
    type: "object",
    keys: Object.fromEntries(plain),
    needs: needs.map((key) => key.slice(0, -1)),
    ...(rule ? { rule } : {}),
  };
}

/** What is wrong with a value, each with its place; nothing where it is right. */
export function problems(schema: Schema, value: unknown, at = "$"): readonly string[] {
  switch (schema.type) {
    case "any":
      return [];
    case "nothing":
      return value === null || value === undefined ? [] : [`${at}: something`];
    case "boolean":
      return typeof value === "boolean" ? [] : [`${at}: no boolean`];
    case "string": {
      if (typeof value !== "string") return [`${at}: no string`];
      if (schema.matches && !schema.matches.test(value)) return [`${at}: "${value}" is malformed`];
      return schema.among && !schema.among.includes(value) ? [`${at}: "${value}" is unknown`] : [];
    }
    case "integer": {
      const { least = Number.NEGATIVE_INFINITY, most = Number.POSITIVE_INFINITY } = schema;
      const right = Number.isInteger(value) && Number(value) >= least && Number(value) <= most;
      return right ? [] : [`${at}: ${String(value)} is no such integer`];
    }
    case "list": {
      if (!Array.isArray(value)) return [`${at}: no list`];
      const short = value.length < (schema.least ?? 0) ? [`${at}: too short`] : [];
      return [...short, ...value.flatMap((one, i) => problems(schema.of, one, `${at}[${i}]`))];
    }
    case "either": {
      const found = schema.of.map((one) => problems(one, value, at));
      return found.some((one) => one.length === 0) ? [] : (found[0] ?? []);
    }
    case "map":
    case "object":
      return ofRecord(schema, value, at);
  }
}

function ofRecord(
  schema: Extract<Schema, { readonly type: "map" | "object" }>,
  value: unknown,
  at: string,
): readonly string[] {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return [`${at}: no map`];
  const record = value as Readonly<Record<string, unknown>>;
  if (schema.type === "map") {
    return Object.entries(record).flatMap(([key, one]) => [
      ...(schema.keys && !schema.keys.test(key) ? [`${at}.${key}: malformed key`] : []),
      ...problems(schema.of, one, `${at}.${key}`),
    ]);
  }
  const absent = schema.needs.filter((key) => record[key] === undefined);
  const broken = schema.rule?.(record);
  return [
    ...absent.map((key) => `${at}.${key}: absent`),
    ...(broken === undefined ? [] : [`${at}: ${broken}`]),
    ...Object.entries(record).flatMap(([key, one]) => {
      const known = schema.keys[key];
      return known ? problems(known, one, `${at}.${key}`) : [`${at}.${key}: unknown key`];
    }),
  ];
}
