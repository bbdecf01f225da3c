/**
 * Known public data sets: where they are, how to know that they arrived whole, under which licence. What
 * `pangaea data fetch NAME` downloads; the downloading itself is the command line's.
 */
import { createHash } from "node:crypto";
import { PangaeaError } from "../core/errors.ts";

export interface CatalogueFile {
  /** Its name in the folder of the set. */
  readonly name: string;
  /** Tried in order. */
  readonly urls: readonly string[];
  readonly sha256: string;
  readonly bytes: number;
}

export interface CatalogueEntry {
  readonly name: string;
  readonly title: string;
  readonly licence: string;
  /** Empty where the set must be got by hand; `byHand` then says how. */
  readonly files: readonly CatalogueFile[];
  readonly byHand?: string | undefined;
}

const mnistHosts = [
  "https://ossci-datasets.s3.amazonaws.com/mnist/",
  "https://storage.googleapis.com/cvdf-datasets/mnist/",
];
const mnistFile = (name: string, bytes: number, sha256: string): CatalogueFile => ({
  name,
  urls: mnistHosts.map((host) => host + name),
  sha256,
  bytes,
});

export const CATALOGUE: readonly CatalogueEntry[] = [
  {
    name: "mnist",
    title: "MNIST handwritten digits: 60,000 + 10,000 images of 28x28, 10 classes",
    licence: "CC BY-SA 3.0, Yann LeCun and Corinna Cortes, derived from NIST data",
    files: [
      mnistFile(
        "train-images-idx3-ubyte.gz",
        9_912_422,
        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
      ),
      mnistFile(
        "train-labels-idx1-ubyte.gz",
        28_881,
        "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
      ),
      mnistFile(
        "t10k-images-idx3-ubyte.gz",
        1_648_877,
        "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
      ),
      mnistFile(
        "t10k-labels-idx1-ubyte.gz",
        4_542,
        "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
      ),
    ],
  },
  {
    name: "movielens-latest-small",
    title: "MovieLens ml-latest-small: 100,836 ratings of 9,724 movies by 610 users",
    licence:
      "GroupLens: research use, not commercial, redistribution under the same terms only, cite Harper " +
      "and Konstan 2015 (doi:10.1145/2827872); the terms are in the README.txt of the set",
    files: [],
    byHand:
      "the set changes without notice, so no checksum can be stated: read the terms and unpack " +
      "https://files.grouplens.org/datasets/movielens/ml-latest-small.zip into the folder " +
      "movielens-latest-small of PANGAEA_DATA",
  },
];

/** The entry of that name, or an error that lists the names. */
export function catalogueEntry(name: string): CatalogueEntry {
  const entry = CATALOGUE.find((each) => each.name === name);
  if (!entry)
    throw new PangaeaError("UNKNOWN_DATA", `no known data set is called ${name}`, {
      fix: `known are ${CATALOGUE.map((each) => each.name).join(", ")}`,
    });
  return entry;
}

/** Whether the bytes have this SHA-256 (hexadecimal). */
export const verify = (bytes: Uint8Array, sha256: string): boolean =>
  createHash("sha256").update(bytes).digest("hex") === sha256.toLowerCase();
