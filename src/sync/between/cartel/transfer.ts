/** A site that asks: one neighbour at a time, until its portion has come, it refuses, or its time is over. */
import type { Condition } from "../../../core/condition.ts";
import type { NodeId } from "../../../core/ids.ts";
import type { Scope } from "../../../core/scope.ts";
import type { Bytes, Micros } from "../../../core/units.ts";
import type { World } from "../../../world/contract.ts";
import type { Message } from "../../../world/message.ts";
import { GET_PORTION, PIECE_BYTES, PORTION, REFUSE } from "./messages.ts";
import { holdsWithin } from "./wait.ts";

export interface Asking {
  readonly model: string;
  readonly classes: readonly number[];
  readonly maxBytes: Bytes;
  readonly timeout: Micros;
}

export type Answer =
  | { readonly packed: Uint8Array }
  /** Why there is none: it said so, sent what cannot be one, or was silent. */
  | { readonly none: string };

interface Pending {
  readonly id: number;
  readonly from: NodeId;
  readonly maxBytes: Bytes;
  readonly pieces: Uint8Array[];
  answer: Answer | undefined;
}

export class Transfer {
  readonly #world: World;
  readonly #changed: Condition;
  #last = 0;
  #pending: Pending | undefined;
  /** Bytes of portions that have come so far, whatever became of them. */
  bytes: Bytes = 0;

  constructor(world: World) {
    this.#world = world;
    this.#changed = world.condition();
    world.network.handle(REFUSE, (message, from) => {
      const pending = this.#of(message, from);
      if (pending)
        this.#answer(pending, { none: `refuses: ${String(message.header["why"]).slice(0, 80)}` });
    });
    world.network.handle(PORTION, (message, from) => {
      this.bytes += message.payload.reduce((sum, part) => sum + part.byteLength, 0);
      const pending = this.#of(message, from);
      if (pending) this.#take(pending, message);
    });
  }

  /** One question at a time. */
  async ask(
    neighbour: NodeId,
    { model, classes, maxBytes, timeout }: Asking,
    scope: Scope,
  ): Promise<Answer> {
    const { network, clock } = this.#world;
    const pending: Pending = {
      id: ++this.#last,
      from: neighbour,
      maxBytes,
      pieces: [],
      answer: undefined,
    };
    this.#pending = pending;
    const until = clock.now() + timeout;
    network.send(neighbour, GET_PORTION, { id: pending.id, model, classes, maxBytes, until });
    const answered = (): boolean => pending.answer !== undefined;
    const reason = { what: "a portion", whom: () => [neighbour] };
    await holdsWithin(this.#world, this.#changed, answered, timeout, reason, scope);
    this.#pending = undefined;
    return (
      pending.answer ?? { none: pending.pieces.length > 0 ? "stopped in the middle" : "silent" }
    );
  }

  #of({ header }: Message, from: NodeId): Pending | undefined {
    const pending = this.#pending;
    const fits = pending && pending.from === from && pending.id === header["id"];
    return fits && !pending.answer ? pending : undefined;
  }

  #answer(pending: Pending, answer: Answer): void {
    pending.answer = answer;
    this.#changed.notify();
  }

  /** Pieces come in order; whatever does not add up to what was announced is none. */
  #take(pending: Pending, { header, payload }: Message): void {
    const { piece, pieces, bytes } = header;
    const part = payload[0];
    const fits =
      typeof bytes === "number" &&
      bytes <= pending.maxBytes &&
      pieces === Math.ceil(bytes / PIECE_BYTES) &&
      piece === pending.pieces.length &&
      part?.byteLength === Math.min(PIECE_BYTES, bytes - piece * PIECE_BYTES);
    if (!fits) {
      this.#answer(pending, { none: "sent what is no portion" });
      return;
    }
    pending.pieces.push(new Uint8Array(part.buffer, part.byteOffset, part.byteLength));
    if (pending.pieces.length === pieces) this.#answer(pending, { packed: joined(pending.pieces) });
  }
}

function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}
