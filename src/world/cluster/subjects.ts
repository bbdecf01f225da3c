/** Names on the bus: who is asked where, and in which buckets things are kept. */

/** Leases of runs; `pangaea node` of a run's coordinator holds one. */
export const LEASES = "leases";
/** What there is to know of a run, for whoever coordinates it next; permissions of roles name it, too. */
export { RUNS } from "../bus/names.ts";

/** Where an agent is asked for something, whatever the run. */
export const door = (agent: string): string => `pangaea.down.${agent}`;
/** Where an agent hears the orders of a run. */
export const down = (agent: string, run: string): string => `pangaea.down.${agent}.${run}`;
/** Where the coordinator of a run hears its agents in an epoch: one whose epoch is over is told nothing. */
export const up = (run: string, epoch: number): string => `pangaea.up.${run}.${epoch}`;

/** A name as a word of subjects and keys. */
export const asWord = (name: string): string => name.replace(/[^\w/=-]+/g, "-");
