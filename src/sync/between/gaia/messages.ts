/** What mirrors of a shard say to each other. `group` is the group an update or clock comes from. */
import { messageKind } from "../../../world/message.ts";

/**
 * Significant updates: `{ group, clock, settles, format }`. Payload: a whole encoded update, or
 * (format `announced`) only the values of the indexes that were announced and not yet settled, ascending.
 */
export const UPDATE = messageKind("gaia.update", "bulk", "update");

/** The selective barrier: `{ group, sequence }` and the encoded indexes whose values follow. */
export const INDEXES = messageKind("gaia.indexes", "control", "update");

/** The mirror clock: `{ group, clock, stamp, path }`; `path` is the round trip behind the sender, once known. */
export const CLOCK = messageKind("gaia.clock", "control", "metadata");

/** Sends a clock's stamp back: `{ stamp }`; measures the round trip. */
export const ECHO = messageKind("gaia.echo", "control", "metadata");
