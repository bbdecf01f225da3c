/** What `pangaea/data` offers to the outside; nothing in `src` imports it. */
export { type Batches, createBatches } from "./batches.ts";
export {
  CATALOGUE,
  type CatalogueEntry,
  type CatalogueFile,
  catalogueEntry,
  verify,
} from "./catalogue.ts";
export { type CsvTable, readCsv } from "./csv.ts";
export { CsvSchema } from "./csv-schema.ts";
export { encodeTable } from "./encode.ts";
export { generateDigits } from "./generated-digits.ts";
export { readIdx, readIdxDataset } from "./idx.ts";
export { readLibsvm } from "./libsvm.ts";
export { type DataHost, type LoadedData, loadData } from "./load.ts";
export { type NaturalSites, partition, partitionWithin, SplitSpec } from "./partition.ts";
export { holdOutPerUser, readRatings } from "./ratings.ts";
export { holdOut, takeRows } from "./rows.ts";
export { DataSpec } from "./spec.ts";
export { batchesOf, batchRows, type Shift, type SiteStream } from "./streams/contract.ts";
export { planStreams, type StreamsRequest } from "./streams/plan.ts";
export { StreamSpec } from "./streams/spec.ts";
export { repeats } from "./streams/supply.ts";
