/** Text into HTML without holes: everything put into the template is escaped unless it is HTML already. */
export class Html {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
  toString(): string {
    return this.text;
  }
}

export type Piece = Html | string | number | undefined | false | readonly Piece[];

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

export const escaped = (text: string): string => text.replace(/[&<>"']/g, (c) => ENTITIES[c] ?? c);

const textOf = (piece: Piece): string => {
  if (piece === undefined || piece === false) return "";
  if (piece instanceof Html) return piece.text;
  if (Array.isArray(piece)) return piece.map(textOf).join("");
  return escaped(String(piece));
};

export function html(strings: TemplateStringsArray, ...pieces: readonly Piece[]): Html {
  let text = strings[0] ?? "";
  pieces.forEach((piece, i) => {
    text += textOf(piece) + (strings[i + 1] ?? "");
  });
  return new Html(text);
}

/** Data for a script; no tag can end inside it. */
export const jsonData = (value: unknown): Html =>
  new Html(JSON.stringify(value).replace(/</g, "\\u003c"));
