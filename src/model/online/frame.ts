/** The first bytes of portions and saved models: of which kind and shape they are, and for what. */
import type { DataShape } from "../../core/dataset.ts";
import { InputError } from "../../core/errors.ts";
import { PortionReader, PortionWriter, portionInvalid } from "./bytes.ts";

/** Of one row of the data, as models see it. */
export interface RowShape {
  readonly features: number;
  readonly classes: number;
}

const MAGIC = 0x5450; // "PT"
/** Portions are rounded since 2. */
const FORMATS: Readonly<Record<Purpose, number>> = { portion: 2, model: 1 };
const KINDS = ["forest", "svm", "logistic", "naive-bayes", "graph"] as const;
export type OnlineKind = (typeof KINDS)[number];

/** `portion` goes to other sites, `model` is everything. */
export type Purpose = "portion" | "model";

/** Bytes of a frame. */
export const FRAME_BYTES = 11;

export function writeFrame(kind: OnlineKind, purpose: Purpose, shape: RowShape): PortionWriter {
  const writer = new PortionWriter();
  writer.u16(MAGIC);
  writer.u8(FORMATS[purpose]);
  writer.u8(KINDS.indexOf(kind));
  writer.u8(purpose === "portion" ? 1 : 2);
  writer.u16(shape.classes);
  writer.u32(shape.features);
  return writer;
}

/** A reader of what follows the frame. Throws PORTION_INVALID where the frame is another. */
export function readFrame(
  bytes: Uint8Array,
  kind: OnlineKind,
  purpose: Purpose,
  shape: RowShape,
): PortionReader {
  const reader = new PortionReader(bytes);
  if (reader.u16() !== MAGIC) throw portionInvalid("it does not begin as one");
  const format = reader.u8();
  const found = KINDS[reader.u8()];
  if (found !== kind) throw portionInvalid(`it is of a model of kind ${found}, not ${kind}`);
  if (reader.u8() !== (purpose === "portion" ? 1 : 2)) throw portionInvalid(`it is no ${purpose}`);
  if (format !== FORMATS[purpose])
    throw portionInvalid(`format ${format}, this version reads ${FORMATS[purpose]}`);
  const classes = reader.u16();
  const features = reader.u32();
  if (classes !== shape.classes || features !== shape.features)
    throw portionInvalid(
      `${features} features and ${classes} classes, not ${shape.features} and ${shape.classes}`,
    );
  return reader;
}

/** Errors: `InputError` MODEL_DATA unless the data are rows of features with two classes or more. */
export function rowShapeOf(data: DataShape): RowShape {
  const features = data.kind === "dense" ? data.shape.reduce((a, b) => a * b, 1) : 0;
  if (data.kind === "dense" && data.classes >= 2 && data.classes < 65_535 && features >= 1)
    return { features, classes: data.classes };
  throw new InputError([
    {
      code: "MODEL_DATA",
      path: ["model"],
      message: "online models learn classes (two or more) from rows of features",
      fix: "kind: sequential, or data with classes",
    },
  ]);
}
