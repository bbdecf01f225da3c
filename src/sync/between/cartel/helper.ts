/** A site that helps: it answers who asks for portions of its model, one or a few at a time, within a budget. */
import type { NodeId } from "../../../core/ids.ts";
import type { Scope } from "../../../core/scope.ts";
import type { Bytes } from "../../../core/units.ts";
import type { TailoredModel } from "../../../model/tailored.ts";
import type { World } from "../../../world/contract.ts";
import type { Message } from "../../../world/message.ts";
import type { Budget } from "./budget.ts";
import type { Exclusive } from "./exclusive.ts";
import { GET_PORTION, PIECE_BYTES, PORTION, REFUSE } from "./messages.ts";

export interface HelperTerms {
  readonly model: TailoredModel;
  readonly exclusive: Exclusive;
  readonly budget: Budget;
  /** Bytes of a portion at most. */
  readonly maxBytes: Bytes;
  /** Askers at once. */
  readonly helps: number;
}

interface Question {
  readonly id: number;
  readonly classes: readonly number[];
  readonly maxBytes: Bytes;
  readonly until: number;
}

/** From now on, as long as the scope lasts. */
export function help(world: World, terms: HelperTerms, scope: Scope): void {
  const { network, clock } = world;
  let helping = 0;
  network.handle(GET_PORTION, (message, from) => {
    const question = questionOf(message, terms.model);
    if (!question || question.until < clock.now()) return;
    const refuse = (why: string): void => network.send(from, REFUSE, { id: question.id, why });
    if (helping >= terms.helps) return refuse("busy");
    helping++;
    scope.spawn(async (task) => {
      try {
        const maxBytes = Math.min(
          question.maxBytes,
          terms.maxBytes,
          terms.budget.left(clock.now()),
        );
        const { classes } = question;
        const packed = await terms.exclusive.run(async () =>
          maxBytes > 0 ? terms.model.pack({ classes, maxBytes }) : undefined,
        );
        if (!packed) return refuse(maxBytes > 0 ? "nothing of use" : "busy");
        terms.budget.spend(packed.length, clock.now());
        await sendPieces(world, from, question, packed, task);
      } finally {
        helping--;
      }
    });
  });
}

/** Undefined where it is none, or one for another model. */
function questionOf({ header }: Message, model: TailoredModel): Question | undefined {
  const { id, classes, maxBytes, until } = header;
  if (header["model"] !== model.kind || typeof id !== "number") return undefined;
  if (typeof maxBytes !== "number" || typeof until !== "number" || !Array.isArray(classes))
    return undefined;
  const known = classes.filter((c) => Number.isInteger(c) && c >= 0 && c < model.classes);
  return known.length > 0 ? { id, classes: known, maxBytes, until } : undefined;
}

async function sendPieces(
  { network, clock }: World,
  to: NodeId,
  { id, until }: Question,
  packed: Uint8Array,
  scope: Scope,
): Promise<void> {
  const pieces = Math.max(1, Math.ceil(packed.length / PIECE_BYTES));
  for (let piece = 0; piece < pieces; piece++) {
    // Who asked has given up by now.
    if (clock.now() > until) return;
    const part = packed.subarray(piece * PIECE_BYTES, (piece + 1) * PIECE_BYTES);
    network.send(to, PORTION, { id, piece, pieces, bytes: packed.length }, [part]);
    await network.drained(to, piece + 1 < pieces ? PIECE_BYTES : 0, scope);
  }
}
