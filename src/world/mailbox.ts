/** What has come to a node, by kind: one handler each; a message that comes before its handler waits for it. */
import { invariant } from "../core/errors.ts";
import type { Handler } from "./contract.ts";
import type { MessageKind } from "./message.ts";

export interface Handling {
  readonly kind: MessageKind;
  readonly handler: Handler;
}

export class Mailbox<Letter> {
  readonly #owner: string;
  readonly #open: (handling: Handling, letter: Letter) => void;
  readonly #handlers = new Map<string, Handling>();
  #early: Map<string, Letter[]> | undefined;

  /** @param open hands a letter to its handler. */
  constructor(owner: string, open: (handling: Handling, letter: Letter) => void) {
    this.#owner = owner;
    this.#open = open;
  }

  /** @param soon calls back in a turn of its own, where there are letters that wait. */
  handle(kind: MessageKind, handler: Handler, soon: (then: () => void) => void): void {
    const { name } = kind;
    invariant(!this.#handlers.has(name), `${this.#owner} handles messages of kind ${name} twice`);
    const handling = { kind, handler };
    this.#handlers.set(name, handling);
    if (this.#early?.has(name)) soon(() => this.#openEarly(handling));
  }

  /** Whether the letter has been opened. One that is not is kept, unless it is not to be. */
  take(kind: string, letter: Letter, keep: boolean): boolean {
    const handling = this.#handlers.get(kind);
    const early = this.#early?.get(kind);
    if (handling && !early) {
      this.#open(handling, letter);
      return true;
    }
    if (!keep) return false;
    // What waits already goes first.
    if (early) early.push(letter);
    else (this.#early ??= new Map()).set(kind, [letter]);
    return false;
  }

  /** Throws away what waits. */
  clear(): void {
    this.#early = undefined;
  }

  #openEarly(handling: Handling): void {
    const { name, lossy } = handling.kind;
    const early = this.#early?.get(name) ?? [];
    this.#early?.delete(name);
    // What may be lost does not wait for its handler.
    if (!lossy) for (const letter of early) this.#open(handling, letter);
  }
}
