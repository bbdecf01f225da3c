/**
 * JSON as a stranger sent it. Unlike `JSON.parse` it refuses duplicate keys and deep nesting, gives objects
 * as maps (`__proto__` is a key like any other) and says where the text is wrong.
 */
export type Json = null | boolean | number | string | readonly Json[] | ReadonlyMap<string, Json>;

/** `at` counts UTF-16 units from the start of the text. */
export class JsonError extends Error {
  readonly at: number;
  constructor(message: string, at: number) {
    super(message);
    this.at = at;
  }
}

const MAX_DEPTH = 16;
const SPACE = /[ \t\n\r]*/y;
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const WORD = /true|false|null/y;

export function parseJson(text: string): Json {
  const parser = new Parser(text);
  const value = parser.value(0);
  parser.end();
  return value;
}

class Parser {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  value(depth: number): Json {
    if (depth > MAX_DEPTH) throw this.#wrong("nesting is too deep");
    this.#match(SPACE);
    if (this.#text[this.#at] === "{") return this.#object(depth);
    if (this.#text[this.#at] === "[") return this.#array(depth);
    if (this.#text[this.#at] === '"') return this.#string();
    const token = this.#match(NUMBER) ?? this.#match(WORD);
    if (token === undefined) throw this.#wrong("a value is missing or malformed");
    return JSON.parse(token) as number | boolean | null;
  }

  end(): void {
    this.#match(SPACE);
    if (this.#at < this.#text.length) throw this.#wrong("text after the end of the value");
  }

  #string(): string {
    const start = this.#at++;
    while (this.#at < this.#text.length && this.#text[this.#at] !== '"')
      this.#at += this.#text[this.#at] === "\\" ? 2 : 1;
    this.#at++;
    try {
      return JSON.parse(this.#text.slice(start, this.#at)) as string;
    } catch {
      throw new JsonError("a string is malformed", start);
    }
  }

  #object(depth: number): ReadonlyMap<string, Json> {
    const members = new Map<string, Json>();
    this.#list("}", () => {
      const at = this.#at;
      if (this.#text[at] !== '"') throw this.#wrong("a key is missing");
      const key = this.#string();
      if (members.has(key)) throw new JsonError(`the key ${JSON.stringify(key)} occurs twice`, at);
      this.#match(SPACE);
      if (!this.#take(":")) throw this.#wrong("a colon is missing");
      members.set(key, this.value(depth + 1));
    });
    return members;
  }

  #array(depth: number): readonly Json[] {
    const items: Json[] = [];
    this.#list("]", () => items.push(this.value(depth + 1)));
    return items;
  }

  #list(close: string, item: () => unknown): void {
    this.#at++;
    this.#match(SPACE);
    if (this.#take(close)) return;
    do {
      this.#match(SPACE);
      item();
      this.#match(SPACE);
    } while (this.#take(","));
    if (!this.#take(close)) throw this.#wrong(`a comma or ${close} is missing`);
  }

  #take(character: string): boolean {
    if (this.#text[this.#at] !== character) return false;
    this.#at++;
    return true;
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0];
    if (found !== undefined) this.#at += found.length;
    return found;
  }

  #wrong(message: string): JsonError {
    return new JsonError(message, this.#at);
  }
}
