/** Surveys of sites as one: that of a process which reads all their records. */
import { InputError, invariant } from "../../core/errors.ts";
import type { SiteId } from "../../core/ids.ts";
import { badData } from "../bytes.ts";
import type { About, Facts, Survey } from "./contract.ts";
import { mergeCsv } from "./csv.ts";
import { mergeIdx } from "./idx.ts";
import { mergeLibsvm } from "./libsvm.ts";

/**
 * In the order of the sites, whoever told first. Several of one site (agents of one site) tell the same.
 * @throws InputError for records that do not go together; it names the sites
 */
export function mergeSurveys(sites: readonly SiteId[], surveys: readonly Survey[]): Facts {
  const ordered = sites.map((site) => {
    const [first, ...others] = surveys.filter((survey) => survey.site === site);
    invariant(first, `a survey of site ${site}`);
    for (const other of others) expectSame(first, other);
    return first;
  });
  const [first, ...others] = ordered;
  invariant(first, "a run has sites");
  const about = others.reduce((all, other) => {
    expectAlike(first, other);
    return merge(all, other.about);
  }, first.about);
  return { sizes: ordered.map(({ site, rows }) => ({ site, rows })), about };
}

function merge(a: About, b: About): About {
  if (a.kind === "csv" && b.kind === "csv") return mergeCsv(a, b);
  if (a.kind === "idx" && b.kind === "idx") return mergeIdx(a, b);
  if (a.kind === "libsvm" && b.kind === "libsvm") return mergeLibsvm(a, b);
  throw new Error("all sites have data of one kind");
}

/** Records of two sites, or of a site and a test, have the same columns or shape. */
export function expectAlike(
  one: Pick<Survey, "about"> & { readonly site?: SiteId },
  other: Pick<Survey, "about" | "path"> & { readonly site?: SiteId },
): void {
  const [a, b] = [looks(one.about), looks(other.about)];
  if (a === b) return;
  const of = one.site === undefined ? "those of the sites" : `those of site ${one.site}`;
  const who = other.site === undefined ? "" : `site ${other.site}: `;
  throw badData({ file: other.path, message: `${who}its rows are ${b}; ${of} are ${a}` });
}

function looks(about: About): string {
  if (about.kind === "csv")
    return about.columns.map(({ name, kind }) => `${name} (${kind})`).join(", ");
  return about.kind === "idx" ? `images of [${about.shape}]` : "features";
}

function expectSame(a: Survey, b: Survey): void {
  if (a.rows === b.rows && JSON.stringify(a.about) === JSON.stringify(b.about)) return;
  const message = `site ${a.site}: two of its agents have different records (${a.rows} and ${b.rows} rows)`;
  throw new InputError([
    { code: "BAD_DATA", file: a.path, message, fix: "give all agents of a site the same files" },
  ]);
}
