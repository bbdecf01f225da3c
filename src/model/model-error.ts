/** Errors of a model with their place under `model:` in the run file. */
import { InputError } from "../core/errors.ts";

export const modelError = (
  code: string,
  place: readonly (string | number)[],
  message: string,
  { fix }: { readonly fix?: string } = {},
): InputError => new InputError([{ code, path: ["model", ...place], message, fix }]);
