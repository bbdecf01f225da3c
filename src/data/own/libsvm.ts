/** LIBSVM text of which each site has its own. */
import { invariant } from "../../core/errors.ts";
import { gunzipped } from "../bytes.ts";
import type { NamedBytes } from "../idx.ts";
import { readLibsvm } from "../libsvm.ts";
import type { DataSpec } from "../spec.ts";
import type { About, Held } from "./contract.ts";
import { renumbered } from "./joined.ts";

type Spec = Extract<DataSpec, { readonly kind: "libsvm" }>;
type AboutLibsvm = Extract<About, { readonly kind: "libsvm" }>;

/** @param known the labels that may occur; absent: any. */
export async function holdLibsvm(
  { features, target }: Spec,
  { file, bytes }: NamedBytes,
  known?: readonly number[] | undefined,
): Promise<Held> {
  const options = { features, target, labels: target === "class" ? known : undefined };
  const { dataset, labels } = await readLibsvm(await gunzipped(bytes, file), file, options);
  return {
    rows: dataset.rows,
    about: { kind: "libsvm", labels },
    finish: (about) => {
      invariant(about.kind === "libsvm", "all sites have data of one kind");
      const all = about.labels;
      const place = labels.map((label) => all.indexOf(label));
      return { ...dataset, labels: renumbered(dataset.labels, place), classes: all.length };
    },
  };
}

export const mergeLibsvm = (a: AboutLibsvm, b: AboutLibsvm): AboutLibsvm => ({
  kind: "libsvm",
  labels: [...new Set([...a.labels, ...b.labels])].sort((x, y) => x - y),
});
