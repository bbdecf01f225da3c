/** The four files of MNIST by name in a folder, packed with gzip or not. */
import type { DenseDataset } from "../core/dataset.ts";
import { type DataHost, find, read } from "./files.ts";
import { type IdxOptions, readIdxDataset } from "./idx.ts";

const FILES = {
  train: ["train-images-idx3-ubyte", "train-labels-idx1-ubyte"],
  test: ["t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"],
} as const;

const either = (path: string, name: string): readonly string[] => [
  `${path}/${name}`,
  `${path}/${name}.gz`,
];

export const hasIdx = async (path: string, host: DataHost): Promise<boolean> =>
  (await find(either(path, FILES.train[0]), host)) !== undefined;

/** Images and labels of a part. Answers them and the folder in which they were found. */
export async function readIdxFolder(
  path: string,
  part: keyof typeof FILES,
  host: DataHost,
  options: IdxOptions,
): Promise<{ readonly dataset: DenseDataset; readonly folder: string }> {
  const [images, labels] = FILES[part];
  const [pixels, answers] = await Promise.all([
    read(either(path, images), host),
    read(either(path, labels), host),
  ]);
  const dataset = await readIdxDataset(pixels, answers, options);
  return { dataset, folder: pixels.file.slice(0, pixels.file.lastIndexOf("/")) };
}
