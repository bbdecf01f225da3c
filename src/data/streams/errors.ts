/** A stream that cannot be made of these data. */
import { InputError } from "../../core/errors.ts";

interface Issue {
  /** Below `data.stream`. */
  readonly path: readonly (string | number)[];
  readonly message: string;
  readonly fix?: string | undefined;
}

export const badStream = ({ path, message, fix }: Issue): InputError =>
  new InputError([{ code: "BAD_STREAM", message, path: ["data", "stream", ...path], fix }]);
