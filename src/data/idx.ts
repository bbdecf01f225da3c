/**
 * IDX files (LeCun, "The MNIST database of handwritten digits"): two zero bytes, the type, the number of
 * axes, their sizes as big-endian 32-bit integers, then the values row by row. Unsigned bytes only.
 */
import type { DenseDataset } from "../core/dataset.ts";
import { badData, gunzipped, sharedBytes, sharedInts } from "./bytes.ts";

export interface IdxArray {
  readonly shape: readonly number[];
  readonly values: Uint8Array;
}

/** A file and the name that errors call it. */
export interface NamedBytes {
  readonly file: string;
  readonly bytes: Uint8Array;
}

const UNSIGNED_BYTE = 0x08;

/** Reads an IDX array with `axes` axes, packed with gzip or not. */
export async function readIdx(
  { file, bytes: packed }: NamedBytes,
  axes: number,
): Promise<IdxArray> {
  const bytes = await gunzipped(packed, file);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const start = 4 + 4 * axes;
  if (bytes.length < 4)
    throw badData({ file, offset: bytes.length, message: "the file is cut short" });
  if (view.getUint16(0) !== 0)
    throw badData({
      file,
      offset: 0,
      message: "is no IDX file: it must begin with two zero bytes",
    });
  if (bytes[2] !== UNSIGNED_BYTE)
    throw badData({
      file,
      offset: 2,
      message: `holds type ${bytes[2]}; only unsigned bytes (8) are read`,
    });
  if (bytes[3] !== axes)
    throw badData({ file, offset: 3, message: `has ${bytes[3]} axes instead of ${axes}` });
  if (bytes.length < start)
    throw badData({ file, offset: bytes.length, message: "the header is cut short" });
  const shape = Array.from({ length: axes }, (_, axis) => view.getUint32(4 + 4 * axis));
  const size = shape.reduce((product, extent) => product * extent, 1);
  const have = bytes.length - start;
  if (have !== size)
    throw badData({
      file,
      offset: Math.min(bytes.length, start + size),
      message: `[${shape}] takes ${size} bytes of values, the file has ${have}`,
    });
  return { shape, values: bytes.subarray(start) };
}

export interface IdxOptions {
  /** Labels run from 0 to classes - 1. */
  readonly classes: number;
  /** Only the first so many. */
  readonly rows?: number | undefined;
}

/** Images and labels as a data set: grey values scaled to 0..1, shape [1, height, width]. */
export async function readIdxDataset(
  images: NamedBytes,
  labels: NamedBytes,
  { classes, rows: wanted }: IdxOptions,
): Promise<DenseDataset> {
  const pixels = await readIdx(images, 3);
  const answers = await readIdx(labels, 1);
  const [count, height, width] = pixels.shape as [number, number, number];
  if (answers.shape[0] !== count)
    throw badData({
      file: labels.file,
      offset: 4,
      message: `has ${answers.shape[0]} labels, but ${images.file} has ${count} images`,
    });
  const rows = Math.min(count, wanted ?? count);
  const wrong = answers.values.subarray(0, rows).findIndex((label) => label >= classes);
  if (wrong >= 0)
    throw badData({
      file: labels.file,
      offset: 8 + wrong,
      message: `label "${answers.values[wrong]}" is out of range: there are ${classes} classes from 0`,
    });
  const features = sharedBytes(rows * height * width);
  features.set(pixels.values.subarray(0, features.length));
  const classOf = sharedInts(rows);
  classOf.set(answers.values.subarray(0, rows));
  return {
    kind: "dense",
    rows,
    shape: [1, height, width],
    features,
    scale: 1 / 255,
    offset: 0,
    labels: classOf,
    classes,
  };
}
