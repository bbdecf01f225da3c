/** The label column of a CSV table: what its texts mean as numbers to predict or as classes. */
import { badData, sharedInts } from "./bytes.ts";
import type { CsvSchema } from "./csv-schema.ts";
import { Names } from "./growing.ts";
import { type Place, parseNumber } from "./text.ts";

export interface LabelReader {
  /** The number that stands for a label until the table is whole. */
  read(text: string, place: Place): number;
  /** Class indices with the names of the classes; or the numbers themselves and no classes. */
  finish(numbers: Float32Array): Labels;
}

export interface Labels {
  readonly labels: Int32Array | Float32Array;
  readonly classes: readonly string[];
}

type LabelSchema = CsvSchema["label"];
type Schema<As> = Extract<LabelSchema, { readonly as: As }>;

export function labelReader(label: LabelSchema): LabelReader {
  switch (label.as) {
    case "number":
      return {
        read: (text, place) => numberOf(text, "the label", place),
        finish: (labels) => ({ labels, classes: [] }),
      };
    case "above": {
      const { threshold } = label;
      return {
        read: (text, place) => (numberOf(text, "the label", place) > threshold ? 1 : 0),
        finish: inOrder([`at most ${threshold}`, `above ${threshold}`]),
      };
    }
    case "levels": {
      const { thresholds } = label;
      return {
        read: (text, place) => {
          const value = numberOf(text, "the label", place);
          return thresholds.filter((threshold) => value > threshold).length;
        },
        finish: inOrder([
          `at most ${thresholds[0]}`,
          ...thresholds.map((threshold) => `above ${threshold}`),
        ]),
      };
    }
    case "groups":
      return grouped(label);
    case "class":
      return classes(label);
    default:
      return label satisfies never;
  }
}

/** The numbers are the classes already. */
const inOrder =
  (names: readonly string[]) =>
  (numbers: Float32Array): Labels => {
    const labels = sharedInts(numbers.length);
    labels.set(numbers);
    return { labels, classes: names };
  };

function grouped({ groups, rest }: Schema<"groups">): LabelReader {
  const names = Object.keys(groups);
  const groupOf = new Map(
    Object.values(groups).flatMap((values, group) => values.map((v) => [canonical(v), group])),
  );
  const other = rest === undefined ? undefined : names.length;
  return {
    read: (text, place) => {
      const group = groupOf.get(canonical(text)) ?? other;
      if (group === undefined) throw badLabel(text, [...groupOf.keys()], place);
      return group;
    },
    finish: inOrder(rest === undefined ? names : [...names, rest]),
  };
}

/** Numbered as they occur until all are known, then as listed or sorted. */
function classes({ classes: listed }: Schema<"class">): LabelReader {
  const found = new Names();
  for (const name of listed ?? []) found.numberOf(canonical(name));
  return {
    read: (text, place) => {
      const known = found.size;
      const index = found.numberOf(canonical(text));
      if (listed && index >= known) throw badLabel(text, listed, place);
      return index;
    },
    finish: (numbers) => {
      const names = found.list();
      const sorted = listed?.map(canonical) ?? sortedNames(names);
      const place = names.map((name) => sorted.indexOf(name));
      const labels = sharedInts(numbers.length);
      for (let row = 0; row < numbers.length; row++) labels[row] = place[numbers[row]!]!;
      return { labels, classes: sorted };
    },
  };
}

const badLabel = (text: string, known: readonly string[], place: Place) =>
  badData({
    ...place,
    message: `label "${text}" is out of range`,
    fix: `the classes are ${known.join(", ")}`,
  });

/** A number, or an error that says whose. */
export function numberOf(text: string, name: string, place: Place): number {
  const value = parseNumber(text);
  if (value === undefined)
    throw badData({ ...place, message: `${name} is "${text}", which is no number` });
  return value;
}

/** Numbers as names are equal where the numbers are: 1.0 is 1. */
export function canonical(name: string): string {
  const value = parseNumber(name);
  return value === undefined ? name : String(value);
}

/** By number where all are numbers, else by text. */
export const sortedNames = (names: readonly string[]): readonly string[] =>
  names.every((name) => parseNumber(name) !== undefined)
    ? [...names].sort((a, b) => Number(a) - Number(b))
    : [...names].sort();
