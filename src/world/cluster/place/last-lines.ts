/** The last lines of what a process wrote: enough to see why it ended. */

const LINES = 8;
const CHARACTERS = 4096;

/** Of a whole text, or of its end. */
export const lastLinesOf = (text: string): readonly string[] =>
  text
    .split(/\r?\n/)
    .filter((line) => line.trim() !== "")
    .slice(-LINES);

/** Keeps the end of what comes in pieces. */
export class LastLines {
  #kept = "";

  add(text: string): void {
    this.#kept = (this.#kept + text).slice(-CHARACTERS);
  }

  lines(): readonly string[] {
    return lastLinesOf(this.#kept);
  }
}
