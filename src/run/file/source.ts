/**
 * The text of an experiment as plain data that remembers where each value stands, so that every later
 * complaint can name line and column. YAML and JSON go through one parser; a module has paths only.
 */
import { isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument } from "yaml";
import { InputError, type InputIssue } from "../../core/errors.ts";

export type Path = readonly (string | number)[];
export type Format = "yaml" | "json";
export type Data = { readonly [key: string]: unknown };

/** Where a value came from: a file's line, or a flag's text in place of the file. */
export interface Place {
  readonly file: string;
  readonly line?: number | undefined;
  readonly column?: number | undefined;
}

export interface Source {
  readonly file: string;
  readonly data: Data;
  /** Where the value at `path` stands (its key with `"key"`); nothing where the file does not have it. */
  readonly place: (path: Path, of?: "key" | "value") => Place | undefined;
}

/** `examples/x.yaml:3`, or the flag. */
export const placeText = (place: Place): string =>
  place.line === undefined ? place.file : `${place.file}:${place.line}`;

const rootIssue = (file: string, what: string): InputIssue => ({
  code: "BAD_FILE",
  file,
  line: 1,
  column: 1,
  message: what,
  fix: "begin with `version: 1` and `name: …`; examples/softmax-quick.yaml is a short one",
});

/** Parses YAML or JSON. @throws InputError with every syntax error and its line and column. */
export function readSource(text: string, file: string, format: Format): Source {
  const lines = new LineCounter();
  const document = parseDocument(text, {
    lineCounter: lines,
    prettyErrors: false,
    uniqueKeys: true,
    stringKeys: true,
  });
  const at = (offset: number): Place => {
    const { line, col } = lines.linePos(Math.min(offset, text.length));
    return { file, line: Math.max(1, line), column: Math.max(1, col) };
  };
  const issues: InputIssue[] = [...document.errors, ...document.warnings].map((error) =>
    syntaxIssue(error.code, error.message, text, error.pos[0], at(error.pos[0])),
  );
  if (format === "json" && issues.length === 0) issues.push(...strictJsonIssues(text, at));
  if (issues.length > 0) throw new InputError(issues);
  const root = document.contents;
  if (root === null || (isScalar(root) && root.value === null)) {
    throw new InputError([rootIssue(file, "the file is empty")]);
  }
  if (!isMap(root)) {
    throw new InputError([rootIssue(file, "an experiment is a list of keys and values")]);
  }
  let data: unknown;
  try {
    data = document.toJS();
  } catch (error) {
    throw new InputError([rootIssue(file, (error as Error).message)]);
  }
  const follow = (node: unknown): unknown => (isAlias(node) ? node.resolve(document) : node);
  const place = (path: Path, of: "key" | "value" = "value"): Place | undefined => {
    let node: unknown = root;
    let key: unknown;
    for (const part of path) {
      node = follow(node);
      if (isMap(node)) {
        const pair = node.items.find((item) => isScalar(item.key) && item.key.value === part);
        if (!pair) return undefined;
        key = pair.key;
        node = pair.value;
      } else if (isSeq(node) && typeof part === "number" && part < node.items.length) {
        node = node.items[part];
        key = node;
      } else return undefined;
    }
    const found = (of === "key" ? key : (node ?? key)) as Node | null | undefined;
    const start = found?.range?.[0] ?? (key as Node | undefined)?.range?.[0];
    return start === undefined ? at(0) : at(start);
  };
  return { file, data: data as Data, place };
}

/** Data that a module exported. @throws InputError when it is no plain object. */
export function moduleSource(value: unknown, file: string): Source {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    const fix = "end the module with `export default defineRun({ version: 1, … })`";
    const message = `the default export is ${value === undefined ? "missing" : "no plain object"}`;
    throw new InputError([{ code: "BAD_FILE", file, message, fix }]);
  }
  const place = (path: Path): Place | undefined => {
    let node: unknown = value;
    for (const part of path) {
      if (typeof node !== "object" || node === null || !Object.hasOwn(node, part)) return undefined;
      node = (node as Record<string | number, unknown>)[part];
    }
    return { file };
  };
  return { file, data: value as Data, place };
}

function syntaxIssue(
  code: string,
  message: string,
  text: string,
  offset: number,
  place: Place,
): InputIssue {
  if (code === "DUPLICATE_KEY") {
    const key = /^[^\s:,}]+/.exec(text.slice(offset))?.[0] ?? "this key";
    return {
      code: "DUPLICATE_KEY",
      ...place,
      message: `${key} stands twice in the same object`,
      fix: "keep one of the two",
    };
  }
  const plain = message.replace(/ at line \d+, column \d+:?[\s\S]*$/, "").replace(/\s+/g, " ");
  return { code: "BAD_SYNTAX", ...place, message: plain, fix: syntaxFix(code) };
}

function syntaxFix(code: string): string | undefined {
  switch (code) {
    case "TAB_AS_INDENT":
      return "indent with spaces";
    case "BAD_INDENT":
    case "BLOCK_AS_IMPLICIT_KEY":
    case "MISSING_CHAR":
    case "IMPOSSIBLE":
      return "check indentation, colons and closing brackets here and on the line above";
    case "MULTIPLE_DOCS":
      return "one experiment a file: remove the `---`";
    case "BAD_ALIAS":
      return "quote text that begins with * or &";
    default:
      return undefined;
  }
}

/** What YAML allows and JSON does not: comments, bare words, trailing commas. */
function strictJsonIssues(text: string, at: (offset: number) => Place): InputIssue[] {
  try {
    JSON.parse(text);
    return [];
  } catch (error) {
    const message = (error as Error).message;
    const offset = Number(/position (\d+)/.exec(message)?.[1] ?? text.length);
    const plain = message
      .replace(/ in JSON at position.*$/, "")
      .replace(/, .*is not valid JSON$/, "");
    const fix =
      "JSON has no comments, bare words or trailing commas; name the file .yaml to use them";
    return [{ code: "BAD_SYNTAX", ...at(offset), message: plain, fix }];
  }
}
