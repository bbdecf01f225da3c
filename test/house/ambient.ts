/**
 * What a node program must not reach: clocks, dice, timers, the process, sockets, files. They exist only in
 * worlds, the command line and the dashboard server. Lint sees the plain use of a global; this also sees
 * aliases (`globalThis.setTimeout`, `const m = Math`, `const { random } = Math`).
 */
import { importsOf, type Source } from "./source.ts";
import type { Token } from "./tokens.ts";

/** Globals that bring the time, chance or the machine. */
const GLOBALS = new Set([
  ...["Date", "performance", "Temporal", "setTimeout", "setInterval", "setImmediate"],
  ...["clearTimeout", "clearInterval", "clearImmediate", "queueMicrotask", "requestAnimationFrame"],
  ...["process", "crypto", "navigator", "fetch", "WebSocket", "EventSource", "XMLHttpRequest"],
  ...["Worker", "SharedWorker", "BroadcastChannel", "MessageChannel", "WeakRef"],
  ...["FinalizationRegistry", "eval", "Function", "require"],
]);
/** Names of the global object. */
const GLOBAL_OBJECTS = new Set(["globalThis", "global", "self", "window"]);
/** What may be asked of the global object: it is the same everywhere and has neither time nor chance. */
const HARMLESS = new Set(["WebAssembly"]);
/** Built-in modules without time, chance, files or sockets; names that may be imported, or all. */
const MODULES: ReadonlyMap<string, readonly string[] | "all"> = new Map([
  ["node:crypto", ["createHash"]],
  ["node:zlib", ["gunzipSync"]],
  ["node:stream", ["pipeline", "Readable"]],
]);

/** What is wrong in a source, one line each. */
export function ambientUses(source: Source): readonly string[] {
  const { path, tokens } = source;
  const complaints: string[] = [];
  tokens.forEach((token, i) => {
    if (token.kind !== "word") return;
    const what = complaintAt(tokens, i);
    if (what) complaints.push(`${path}:${token.line}: ${what}`);
  });
  for (const { specifier, line } of importsOf(source)) {
    const what = moduleComplaint(tokens, specifier, line);
    if (what) complaints.push(`${path}:${line}: ${what}`);
  }
  return complaints;
}

function complaintAt(tokens: readonly Token[], i: number): string | undefined {
  const word = (tokens[i] as Token).text;
  const before = tokens[i - 1]?.text;
  const after = tokens[i + 1]?.text;
  if (before === "." && tokens[i - 2]?.text !== "." && !isSpread(tokens, i)) return undefined;
  if (word === "Math") {
    const member = tokens[i + 2]?.text ?? "";
    if (after !== ".") return "an alias of Math: call its functions by name";
    return member === "random" ? "Math.random: use World.random" : undefined;
  }
  if (word === "import" && after === "." && tokens[i + 2]?.text === "meta") {
    return "import.meta: only worlds and the command line know where files are";
  }
  if (GLOBAL_OBJECTS.has(word)) return globalObject(tokens, i);
  if (!GLOBALS.has(word)) return undefined;
  // A key or a member of a type is a name of ours: `{ process: …`, `readonly fetch: …`.
  const key = after === ":" && before !== "?";
  return key ? undefined : `${word}: exists only in worlds and the command line`;
}

/** `...Math` is three dots and a name, not a member. */
const isSpread = (tokens: readonly Token[], i: number): boolean =>
  [1, 2, 3].every((back) => tokens[i - back]?.text === ".");

function globalObject(tokens: readonly Token[], i: number): string | undefined {
  const word = (tokens[i] as Token).text;
  // `window`, `global` and `self` are also good names for things of ours: only known globals count there.
  const members = tokens
    .slice(i + 1, i + 14)
    .map(({ text }) => text)
    .join(" ");
  const member = /^(?:\? )?[.[] ?(\w+)/.exec(members)?.[1];
  if (word !== "globalThis") {
    const banned = member !== undefined && (GLOBALS.has(member) || member === "Math");
    return banned ? `${word}.${member}: exists only in worlds and the command line` : undefined;
  }
  const cast = /^as unknown as \{ (\w+)/.exec(members)?.[1];
  const asked = member ?? cast;
  if (asked !== undefined && HARMLESS.has(asked)) return undefined;
  return "globalThis: name what you need of it";
}

function moduleComplaint(
  tokens: readonly Token[],
  specifier: string,
  line: number,
): string | undefined {
  if (!specifier.startsWith("node:")) {
    return specifier === "worker_threads" || specifier === "fs" ? `${specifier}: node:` : undefined;
  }
  const allowed = MODULES.get(specifier);
  if (allowed === undefined) return `${specifier}: exists only in worlds and the command line`;
  if (allowed === "all") return undefined;
  const at = tokens.findIndex(
    (t) => t.kind === "string" && t.text === specifier && t.line === line,
  );
  const open = tokens.slice(0, at).findLastIndex(({ text }) => text === "import");
  const names = tokens
    .slice(open + 1, at - 1)
    .filter(({ kind, text }) => kind === "word" && text !== "type")
    .map(({ text }) => text);
  const others = names.filter((name) => !allowed.includes(name));
  return others.length > 0 || names.length === 0
    ? `${specifier}: only ${allowed.join(", ")} may be imported here`
    : undefined;
}
