/** Words for a POSIX shell, so that it hands them on as they are. */
const PLAIN = /^[\w@%+=:,./-]+$/;

export const shellWord = (word: string): string =>
  PLAIN.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;

export const shellWords = (words: readonly string[]): string => words.map(shellWord).join(" ");
