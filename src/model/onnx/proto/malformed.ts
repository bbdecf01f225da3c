/** What is wrong with an ONNX file, said with the file's name and the byte. */
import { InputError } from "../../../core/errors.ts";

/** Codes of files that cannot be read; each has a section in docs/errors.md. */
export type FileCode =
  | "ONNX_MALFORMED"
  | "ONNX_OPSET"
  | "ONNX_TYPE"
  | "ONNX_EXTERNAL"
  | "ONNX_GRAPH";

/** An error that can say where in the file it is. */
export type Complain = (
  code: FileCode,
  message: string,
  offset: number,
  fix?: string,
) => InputError;

export const complaining =
  (file: string | undefined): Complain =>
  (code, message, offset, fix) =>
    new InputError([{ code, message, file, offset, fix }]);
