/**
 * Names on a bus: subjects and keys are words joined by dots, buckets one word. A wildcard or a space that came
 * in from outside (a site's name, a run's name) would widen what a subscription hears, so all are checked here.
 */
import { badName } from "./errors.ts";

/** The bucket of runs' records (cluster/record.ts). */
export const RUNS = "runs";
/** The bucket of runs' files (run-files.ts). */
export const RUN_FILES = "run-files";

const LONGEST = 250;
/** As NATS allows in keys: no wildcard, no space, no empty word. */
const WORDS = /^[\w/=-]+(?:\.[\w/=-]+)*$/;
const WORD = /^[\w-]+$/;

function check(what: string, name: string, pattern: RegExp, fix: string): string {
  if (typeof name !== "string" || name.length > LONGEST || !pattern.test(name)) {
    throw badName(what, String(name).slice(0, LONGEST), fix);
  }
  return name;
}

const DOTTED = "words of letters, digits, _ - / = joined by dots, at most 250 characters";

/** @throws InputError BUS_NAME */
export const checkSubject = (name: string): string => check("subject", name, WORDS, DOTTED);
/** @throws InputError BUS_NAME */
export const checkKey = (name: string): string => check("key", name, WORDS, DOTTED);
/** @throws InputError BUS_NAME */
export const checkBucket = (name: string): string =>
  check("bucket", name, WORD, "letters, digits, _ and -");
/** @throws InputError BUS_NAME */
export const checkDomain = (name: string): string =>
  check("domain", name, WORD, "letters, digits, _ and -");

/** Whether `name` is `top.something`. */
export const isBelow = (name: string, top: string): boolean => name.startsWith(`${top}.`);
