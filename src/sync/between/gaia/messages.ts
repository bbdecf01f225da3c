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

/** A joiner to the mirror whose live copy it wants: `{ ticket }`. Tickets of a site grow. */
export const ASK = messageKind("gaia.ask", "control", "control");

/** That mirror to its peers: `{ site, ticket }`: from now on the joiner gets your updates from yourself. */
export const BEGIN = messageKind("gaia.begin", "control", "control");

/**
 * "What comes after this on this queue is for you": `{ group, ticket, clock, entered }`, on either queue. To a joiner, or
 * to a site that had to find another way to a group.
 */
export const OPEN = messageKind("gaia.open", "bulk", "metadata");
export const OPENED = messageKind("gaia.opened", "control", "metadata");

/** A peer to the mirror that asked it to begin: `{ site, ticket, clock }`: what I sent before this went to you alone. */
export const MARK = messageKind("gaia.mark", "bulk", "metadata");

/** The live copy: `{ ticket, clock, own, exact, sites }` and the values, then the sums of what has come from each group. */
export const COPY = messageKind("gaia.copy", "bulk", "parameters");

/** Of an exact copy, from the giver of a copy: `{ site, clock }`, the joiner's first clock. */
export const ENTERS = messageKind("gaia.enters", "control", "metadata");

/** A joiner to its peers: `{ clock }`: its mirror clock starts there. */
export const ENTERED = messageKind("gaia.entered", "control", "metadata");

/** To a site that is now the way to a group: `{ group, ticket }` and the sum of what has come from that group. */
export const ATTACH = messageKind("gaia.attach", "bulk", "update");
