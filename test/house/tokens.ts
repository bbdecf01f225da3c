/**
 * TypeScript source as a flat list of tokens: enough to see imports and names, with comments gone and the
 * contents of strings kept apart. No parser: TypeScript 7 has no API to ask.
 */
export interface Token {
  readonly kind: "word" | "punctuation" | "string" | "regex" | "number";
  /** A string's contents without its quotes. */
  readonly text: string;
  readonly line: number;
}

const WORD = /[\p{ID_Start}$_#][\p{ID_Continue}$]*/uy;
const NUMBER = /\d[\w.]*/y;
/** After these words a slash begins a regular expression; after other words it divides. */
const BEFORE_REGEX = new Set([
  "return",
  "typeof",
  "case",
  "in",
  "of",
  "do",
  "else",
  "await",
  "yield",
]);

class Scanner {
  readonly tokens: Token[] = [];
  readonly #source: string;
  #at = 0;
  #line = 1;

  constructor(source: string) {
    this.#source = source;
  }

  /** Scans to the end, or to the brace that closes a template's `${`. */
  scan(inTemplate = false): void {
    let depth = 0;
    while (this.#at < this.#source.length) {
      const char = this.#source[this.#at] as string;
      const two = this.#source.slice(this.#at, this.#at + 2);
      if (char === "\n") this.#line++;
      if (/\s/.test(char)) this.#at++;
      else if (two === "//") this.#skipTo("\n");
      else if (two === "/*") this.#skipTo("*/");
      else if (char === '"' || char === "'") this.#quoted(char);
      else if (char === "`") this.#template();
      else if (char === "/" && this.#regexMayStand()) this.#regex();
      else if (!this.#take("word", WORD) && !this.#take("number", NUMBER)) {
        if (inTemplate && char === "}" && depth-- === 0) return;
        if (char === "{") depth++;
        this.#add("punctuation", char);
        this.#at++;
      }
    }
  }

  #add(kind: Token["kind"], text: string): void {
    this.tokens.push({ kind, text, line: this.#line });
  }

  #take(kind: Token["kind"], pattern: RegExp): boolean {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#source);
    if (!found) return false;
    this.#add(kind, found[0]);
    this.#at += found[0].length;
    return true;
  }

  #skipTo(end: string): void {
    const stop = this.#source.indexOf(end, this.#at + 2);
    const to = stop === -1 ? this.#source.length : stop + (end === "\n" ? 0 : end.length);
    this.#line += this.#source.slice(this.#at, to).split("\n").length - 1;
    this.#at = to;
  }

  #quoted(quote: string): void {
    let text = "";
    for (this.#at++; this.#source[this.#at] !== quote; this.#at++) {
      if (this.#at >= this.#source.length) throw new Error(`line ${this.#line}: open string`);
      if (this.#source[this.#at] === "\\") this.#at++;
      text += this.#source[this.#at];
    }
    this.#add("string", text);
    this.#at++;
  }

  #template(): void {
    let text = "";
    for (this.#at++; this.#source[this.#at] !== "`"; this.#at++) {
      const char = this.#source[this.#at];
      if (char === undefined) throw new Error(`line ${this.#line}: open template`);
      if (char === "\n") this.#line++;
      if (char === "\\") this.#at++;
      else if (char === "$" && this.#source[this.#at + 1] === "{") {
        this.#at += 2;
        this.scan(true);
        continue;
      }
      text += this.#source[this.#at];
    }
    this.#add("string", text);
    this.#at++;
  }

  #regexMayStand(): boolean {
    const last = this.tokens.at(-1);
    if (!last || (last.kind === "word" && BEFORE_REGEX.has(last.text))) return true;
    // `a[0]! / 2`: the mark of a value that is there.
    const before = this.tokens.at(-2);
    if (last.text === "!") return !(before?.kind === "word" || /^[)\]]$/.test(before?.text ?? ""));
    return last.kind === "punctuation" && !/[)\]}]/.test(last.text);
  }

  #regex(): void {
    let inClass = false;
    const start = this.#at;
    for (this.#at++; inClass || this.#source[this.#at] !== "/"; this.#at++) {
      const char = this.#source[this.#at];
      if (char === "\\") this.#at++;
      else if (char === "[") inClass = true;
      else if (char === "]") inClass = false;
      else if (char === undefined || char === "\n")
        throw new Error(`line ${this.#line}: open regex`);
    }
    this.#at++;
    this.#add("regex", this.#source.slice(start, this.#at));
    while (/[a-z]/.test(this.#source[this.#at] ?? "")) this.#at++;
  }
}

/** The tokens of a source, in order. A template's expressions come before its text. */
export function tokensOf(source: string): readonly Token[] {
  const scanner = new Scanner(source);
  scanner.scan();
  return scanner.tokens;
}
