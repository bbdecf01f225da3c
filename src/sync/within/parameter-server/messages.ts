/** What workers and shard owners say to each other. */
import { messageKind } from "../../../world/message.ts";

/** Worker to owner: `{ clock, worker }`, the update as [values] or [encoded indices, values]. */
export const PUSH = messageKind("ps.push", "bulk", "update");

/**
 * Worker to owner: `{ clock, need, own, worker }`: answer when all workers have finished `need` clocks and
 * `own` of mine are in; payload: encoded indices for a sparse read.
 */
export const PULL = messageKind("ps.pull", "control", "control");

/**
 * The clock number of the pull after a restart: the whole range as it is, and how many own clocks are in. A joiner adds
 * `joins`, its incarnation: the owner counts it from the answer on.
 */
export const RECOVERY = -1;

/** A joiner's second word to every owner: `{ clock, worker }`, the clock at which it enters. */
export const ENTER = messageKind("ps.enter", "control", "control");

/** Owner to worker: `{ clock, completed, own, held, waited }` (to a joiner also `joins`) and the values. */
export const VALUES = messageKind("ps.values", "bulk", "parameters");
