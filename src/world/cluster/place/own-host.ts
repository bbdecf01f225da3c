/** Commands that name the machine they run on, which only that machine knows: a shell there finds it out first. */
import { OWN_HOST } from "./contract.ts";
import { shellWords } from "./quote.ts";

export const asksForOwnHost = (command: readonly string[]): boolean =>
  command.some((word) => word.includes(OWN_HOST));

/**
 * @param find shell text that sets `host`.
 * @returns shell text that goes on as the command, with that in the place of OWN_HOST.
 */
export const withOwnHost = (command: readonly string[], find: string): string =>
  // Words with braces stand in single quotes.
  `${find}\nexec ${shellWords(command).replaceAll(OWN_HOST, `'"$host"'`)}`;
