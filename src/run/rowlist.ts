/**
 * The list of rows of a comparison: as the file has it, or made on the fly from names of algorithms. The
 * same data and nodes on one local network (`lan`) are always a row, except of runs on streams.
 */
import { InputError, type InputIssue } from "../core/errors.ts";
import { nearest } from "../core/nearest.ts";
import { isOnStreams } from "./check-streams.ts";
import { isObject, variantsOf } from "./file/schema.ts";
import type { Data, Path, Place, Source } from "./file/source.ts";
import { type Change, expandDots, merge } from "./merge.ts";
import { ExperimentFile, RunSpec } from "./spec.ts";

/** `--between stretched,gaia --within bsp,ssp:3`. */
export interface Matrix {
  readonly between?: readonly string[] | undefined;
  readonly within?: readonly string[] | undefined;
}

interface RowChange {
  readonly name: string;
  readonly change: Change;
}

export const LAN_NAME = "lan";
const LAN: Data = { between: { kind: "stretched" }, sites: { network: "lan" } };

/** The rows, in their order. @throws InputError where there is nothing to compare, or a name is unknown. */
export function compareChanges(
  source: Source,
  flags: readonly Change[],
  matrix?: Matrix,
): readonly RowChange[] {
  const made = matrix?.between?.length || matrix?.within?.length;
  const rows = made ? matrixRows(matrix ?? {}) : fileRows(source, flags);
  const seen = new Set<string>();
  for (const { name, change } of rows) {
    if (seen.has(name)) {
      const issue = { code: "DUPLICATE_ROW", message: `two rows are named ${name}` };
      throw new InputError([{ ...issue, ...change.place([]), fix: "give each row its own name" }]);
    }
    seen.add(name);
  }
  // Streams arrive at their own pace, on whatever network.
  if (seen.has(LAN_NAME) || isOnStreams(merge(source, flags, ExperimentFile).data)) return rows;
  const place = (): Place => ({ file: "added by compare" });
  return [{ name: LAN_NAME, change: { data: LAN, place } }, ...rows];
}

function fileRows(source: Source, flags: readonly Change[]): RowChange[] {
  const merged = merge(source, flags, ExperimentFile);
  const list = ExperimentFile.shape.compare.safeParse(merged.data.compare);
  if (!list.success || list.data.length === 0) {
    const fix = "add a list `compare:` to the file, or use --between stretched,gaia";
    const message = "there is nothing to compare: the file has no rows";
    throw new InputError([{ code: "NOTHING_TO_COMPARE", file: source.file, message, fix }]);
  }
  return list.data.map((entry, index) => {
    const set = Object.keys(entry.set).length === 0 && entry.name === LAN_NAME ? LAN : entry.set;
    const under: Path = ["compare", index];
    const place = (path: Path): Place =>
      placeOfSetting(source, [...under, "set"], path) ??
      source.place(under) ?? { file: source.file };
    return { name: entry.name, change: { data: expandDots(set), place } };
  });
}

/** Where a row's setting stands; its keys may be nested, dotted, or both. */
function placeOfSetting(source: Source, under: Path, path: Path): Place | undefined {
  let node: unknown = source.data;
  for (const part of under)
    node = isObject(node) || Array.isArray(node) ? node[part as never] : node;
  let at = under;
  let rest = path.map(String);
  let found: Place | undefined;
  while (rest.length > 0 && isObject(node)) {
    const object: Data = node;
    let taken = rest.length;
    while (taken > 0 && !Object.hasOwn(object, rest.slice(0, taken).join("."))) taken--;
    if (taken === 0) break;
    const key = rest.slice(0, taken).join(".");
    at = [...at, key];
    node = object[key];
    rest = rest.slice(taken);
    found = source.place(at, "key") ?? found;
  }
  return found;
}

function matrixRows(matrix: Matrix): RowChange[] {
  const issues: InputIssue[] = [];
  const kinds = [...(variantsOf(RunSpec.shape.between)?.variants.keys() ?? [])];
  const betweens = (matrix.between ?? []).map((name) => {
    if (!kinds.includes(name)) issues.push(unknownName("--between", name, kinds));
    return { name, data: { between: { kind: name } } as Data };
  });
  const withins = (matrix.within ?? []).map((form) => {
    const data = withinForm(form);
    if (!data) issues.push(unknownName("--within", form, ["bsp", "ssp:3", "tap"]));
    return { name: form.replace(":", "-"), data: { within: data ?? {} } as Data };
  });
  if (issues.length > 0) throw new InputError(issues);
  const flag = [
    ...(matrix.between?.length ? [`--between ${matrix.between.join(",")}`] : []),
    ...(matrix.within?.length ? [`--within ${matrix.within.join(",")}`] : []),
  ].join(" ");
  const place = (): Place => ({ file: flag });
  const nothing = [{ name: "", data: {} as Data }];
  return (betweens.length > 0 ? betweens : nothing).flatMap((between) =>
    (withins.length > 0 ? withins : nothing).map((within) => ({
      name: [between.name, within.name].filter((part) => part !== "").join("-"),
      change: { data: { ...between.data, ...within.data }, place },
    })),
  );
}

/** `bsp`, `tap`, `ssp` or `ssp:3`. */
function withinForm(form: string): Data | undefined {
  const match = /^(bsp|ssp|tap)(?::(\d+))?$/.exec(form);
  if (!match || (match[2] !== undefined && match[1] !== "ssp")) return undefined;
  const staleness = match[2] === undefined ? {} : { staleness: Number(match[2]) };
  return { kind: "parameter-server", consistency: match[1], ...staleness };
}

function unknownName(flag: string, name: string, valid: readonly string[]): InputIssue {
  const alike = nearest(name, valid);
  const fix = alike === undefined ? `use ${valid.join(", ")}` : `did you mean ${alike}?`;
  const message = `${name} is not one of ${valid.join(", ")}`;
  return { code: "WRONG_VALUE", file: `${flag} ${name}`, message, fix };
}
