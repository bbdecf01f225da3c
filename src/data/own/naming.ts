/** Errors in the records of a site: they name it, and beyond it they do not show what its files hold. */
import { InputError, type InputIssue } from "../../core/errors.ts";
import type { SiteId } from "../../core/ids.ts";

/** Errors in what `act` reads bear the name of the site. */
export async function namingSite<T>(site: SiteId, act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    throw error instanceof InputError
      ? changed(error, (issue) => ({ message: `site ${site}: ${issue.message}` }))
      : error;
  }
}

/** Of an error, what may leave the site: readers put in quotes whatever they found in a file. */
export const discreet = (error: unknown): unknown =>
  error instanceof InputError
    ? changed(error, ({ message, fix }) => ({ message: hidden(message), fix: fix && hidden(fix) }))
    : error;

/** From the first quote to the last, since what was found may hold quotes and lines. */
const hidden = (text: string): string => text.replace(/".*"/s, '"…"');

const changed = (
  { issues }: InputError,
  change: (issue: InputIssue) => Partial<InputIssue>,
): InputError => new InputError(issues.map((issue) => ({ ...issue, ...change(issue) })));
