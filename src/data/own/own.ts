/**
 * Records of which each site has its own: read at one site, or all in one process. The test rows are in files of
 * their own, which only who judges must have.
 */
import type { Dataset, DenseDataset } from "../../core/dataset.ts";
import { InputError } from "../../core/errors.ts";
import type { SiteId } from "../../core/ids.ts";
import { widthOf } from "../encode.ts";
import { type DataHost, read } from "../files.ts";
import type { LoadedData } from "../load.ts";
import { takeRows } from "../rows.ts";
import { type DataSpec, SITE } from "../spec.ts";
import type { About, Facts, Held, Survey } from "./contract.ts";
import { holdCsv, mergeClasses } from "./csv.ts";
import { holdIdx } from "./idx.ts";
import { joined } from "./joined.ts";
import { holdLibsvm } from "./libsvm.ts";
import { expectAlike, mergeSurveys } from "./merge.ts";
import { namingSite } from "./naming.ts";

/** Records of one site that were read. */
export interface OwnRecords extends Pick<Held, "finish"> {
  readonly survey: Survey;
}

/** Kinds of data of which each site can have its own. */
export const OWN_KINDS: readonly DataSpec["kind"][] = ["csv", "idx", "libsvm"];

/** Reads the records of a site. @throws InputError that names the site */
export async function readOwn(spec: DataSpec, site: SiteId, host: DataHost): Promise<OwnRecords> {
  const paths = pathsOf(spec).map((path) => path.replaceAll(SITE, site));
  const { rows, about, finish } = await namingSite(site, () =>
    hold(spec, { paths, part: "train" }, host),
  );
  return { finish, survey: { site, path: paths.join(", "), rows, about } };
}

/** The training rows of one site; those of the others are not here. */
export const ownData = ({ about, sizes }: Facts, { survey, finish }: OwnRecords): LoadedData => {
  const { site, path } = survey;
  const train = finish(about);
  return {
    ...named(about),
    train,
    test: none(train),
    origin: path,
    places: { sizes, here: { site } },
  };
};

/** At a host that has no records: how those of the others look. */
export function nowhere(spec: DataSpec, { about, sizes }: Facts): LoadedData {
  const train = emptyOf(spec, about);
  return { ...named(about), train, test: train, origin: "", places: { sizes, here: "none" } };
}

/** What judges: the test rows, and the facts with what the test adds to them (classes that no site has). */
export async function testData(
  spec: DataSpec,
  facts: Facts,
  host: DataHost,
): Promise<{ readonly facts: Facts; readonly data: LoadedData }> {
  const paths = testPathsOf(spec);
  const known = facts.about.kind === "libsvm" ? facts.about.labels : undefined;
  const held = await hold(spec, { paths, part: "test", known }, host);
  expectAlike(facts, { about: held.about, path: paths.join(", ") });
  const about = withClasses(facts.about, held.about);
  const test = held.finish(about);
  const places = { sizes: facts.sizes, here: "none" } as const;
  const origin = pathsOf(spec).join(", ");
  return {
    facts: { ...facts, about },
    data: { ...named(about), train: none(test), test, origin, places },
  };
}

/** All sites' records in one process, encoded as each site would encode its own. */
export async function loadOwn(
  spec: DataSpec,
  sites: readonly SiteId[],
  host: DataHost,
): Promise<LoadedData> {
  const records: OwnRecords[] = [];
  for (const site of sites) records.push(await readOwn(spec, site, host));
  const merged = mergeSurveys(
    sites,
    records.map(({ survey }) => survey),
  );
  const { data, facts } = await testData(spec, merged, host);
  const train = joined(records.map(({ finish }) => finish(facts.about) as DenseDataset));
  return { ...data, train, places: { sizes: facts.sizes, here: "all" } };
}

interface Wanted {
  readonly paths: readonly string[];
  readonly part: "train" | "test";
  /** Labels that may occur; absent: any. */
  readonly known?: readonly number[] | undefined;
}

async function hold(spec: DataSpec, { paths, part, known }: Wanted, host: DataHost): Promise<Held> {
  const [path = ""] = paths;
  if (spec.kind === "idx") return holdIdx(spec, path, part, host);
  const files = await Promise.all(paths.map((each) => read([each], host)));
  if (spec.kind === "csv") return holdCsv(files, spec.schema);
  if (spec.kind === "libsvm" && files[0]) return holdLibsvm(spec, files[0], known);
  const message = `data of kind ${spec.kind} cannot lie at the sites`;
  const fix = `these can: ${OWN_KINDS.join(", ")}`;
  throw new InputError([{ code: "IMPOSSIBLE_PAIR", path: ["data", "path"], message, fix }]);
}

const pathsOf = (spec: DataSpec): readonly string[] => ("path" in spec ? [spec.path].flat() : []);

function testPathsOf(spec: DataSpec): readonly string[] {
  const path = "testPath" in spec ? spec.testPath : undefined;
  if (path !== undefined) return [path].flat();
  const message = "the test rows of data at the sites are in files of their own";
  const fix = "name them with data.testPath";
  throw new InputError([{ code: "MISSING_DATA", path: ["data", "testPath"], message, fix }]);
}

const withClasses = (all: About, test: About): About =>
  all.kind === "csv" && test.kind === "csv"
    ? { ...all, classes: mergeClasses(all.classes, test.classes) }
    : all;

const named = (about: About): Pick<LoadedData, "classNames"> =>
  about.kind === "csv" && about.classes.length > 0 ? { classNames: about.classes } : {};

function emptyOf(spec: DataSpec, about: About): DenseDataset {
  const dense = {
    kind: "dense",
    rows: 0,
    scale: 1,
    offset: 0,
    features: new Float32Array(0),
  } as const;
  if (about.kind === "idx") {
    const classes = "classes" in spec ? spec.classes : 0;
    return { ...dense, shape: about.shape, labels: new Int32Array(0), classes };
  }
  const width = spec.kind === "libsvm" ? spec.features : 0;
  const shape = [about.kind === "csv" ? widthOf(about.columns) : width];
  const classes = (about.kind === "csv" ? about.classes : about.labels).length;
  return { ...dense, shape, labels: new Int32Array(0), classes };
}

/** No rows of that shape. */
const none = (like: Dataset): Dataset => takeRows(like, new Uint32Array(0));
