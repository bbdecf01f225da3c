/** What sites say to each other. No kind carries records: a site's data stays where it is. */
import { messageKind } from "../../../world/message.ts";

/** `{ id, model, classes, maxBytes, until }`: may I have portions for these classes? Nobody answers after `until`. */
export const GET_PORTION = messageKind("cartel.get-portion", "control", "metadata", {
  lossy: true,
});
/** `{ id, why }`: busy, or nothing of use. */
export const REFUSE = messageKind("cartel.refuse", "control", "metadata", { lossy: true });
/** `{ id, piece, pieces, bytes }` and a piece of what the model packed. */
export const PORTION = messageKind("cartel.portion", "bulk", "parameters");

/** Portions travel in pieces, so that they share links with whatever else uses them. */
export const PIECE_BYTES = 64_000;
