/**
 * Data that stay where they are: each site has its own records, in files of its own. What other sites and the
 * coordinator learn of them before a run is a *survey*: metadata, and no record. Surveys merge, and from their merger
 * every site encodes its records alike; one process that reads all files does just the same.
 */
import type { Dataset } from "../../core/dataset.ts";
import type { SiteId } from "../../core/ids.ts";
import type { ColumnSurvey } from "../encode.ts";
import type { Moments } from "../moments.ts";

/** What is told of records: how they look, and what their encoding depends on. */
export type About =
  | {
      readonly kind: "csv";
      readonly columns: readonly ColumnSurvey[];
      /** Names of the classes; none for numbers to predict. */
      readonly classes: readonly string[];
    }
  | {
      readonly kind: "idx";
      readonly shape: readonly number[];
      /** Of the pixels, where features are standardised. */
      readonly moments?: Moments | undefined;
    }
  /** The labels that stand for classes, ascending; none for numbers to predict. */
  | { readonly kind: "libsvm"; readonly labels: readonly number[] };

export interface Survey {
  readonly site: SiteId;
  /** Where the records are, as the experiment names it. */
  readonly path: string;
  readonly rows: number;
  readonly about: About;
}

/** The surveys of all sites as one. */
export interface Facts {
  /** In the order of the sites. */
  readonly sizes: readonly { readonly site: SiteId; readonly rows: number }[];
  readonly about: About;
}

/** Which rows of the sites a training set holds. */
export interface Places {
  readonly sizes: Facts["sizes"];
  /** Those of all sites, one after another; of none; or of one. */
  readonly here: "all" | "none" | { readonly site: SiteId };
}

/** Records that were read, and are encoded once it is known how. */
export interface Held {
  readonly rows: number;
  readonly about: About;
  /** @param about of all sites, these records among them. */
  finish(about: About): Dataset;
}
