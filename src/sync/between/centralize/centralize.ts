/**
 * Centralised learning: ship every record to one site, then train there on its local network. A baseline;
 * the policies of the sites must allow their records to move.
 */
import { z } from "zod";
import type { Dataset } from "../../../core/dataset.ts";
import type { NodeId, SiteId } from "../../../core/ids.ts";
import { nodeId } from "../../../core/ids.ts";
import type { NodeInfo, NodeProgram } from "../../../world/contract.ts";
import { messageKind } from "../../../world/message.ts";
import type { Between, DeployRequest, SitePlan } from "../../contract.ts";
import { stretchedDomain } from "../../domains.ts";
import { bestConnected } from "../../network.ts";
import { centralStreams } from "./stream.ts";

export const CentralizeOptions = z.strictObject({
  kind: z.literal("centralize"),
  /** The site that gets all records; by default the best-connected one. */
  site: z.string().optional(),
  /** `all`: as many workers as the whole run has stand at that site. `own`: only its own. */
  workers: z.enum(["all", "own"]).default("all"),
  /** On streams: batches of each site between two models from the centre. */
  everyBatches: z.number().int().positive().default(10),
});
export type CentralizeOptions = z.infer<typeof CentralizeOptions>;

const RECORDS = messageKind("centralize.records", "bulk", "records");
/** Worker to the central shipper: tell me when all records are there. A restarted worker asks again. */
const WAITING = messageKind("centralize.waiting", "control", "control");
const ARRIVED = messageKind("centralize.arrived", "control", "control");

/** Records travel in pieces, so that they share links fairly with whatever else uses them. */
const PIECE_BYTES = 4_000_000;

export function centralize(options: CentralizeOptions): Between {
  let shipper: NodeId | undefined;
  return {
    stream: (request) => centralStreams(options, request),
    deploy(request) {
      const { sites, training } = request;
      const center = sites.find(({ id }) => id === options.site) ?? bestConnected(request);
      const site = centralSite(request, center, options);
      const receiver: NodeInfo = {
        id: nodeId(center.id, "shipper", 0),
        site: center.id,
        role: "shipper",
        index: 0,
      };
      shipper = receiver.id;
      const sources = sites.filter(({ id }) => id !== center.id);
      return {
        domains: [stretchedDomain([site], training.learner.layout.length)],
        extra: [
          { node: receiver, program: receive(sources) },
          ...sources.map((source) => ship(source, receiver, request)),
        ],
        judged: "domains",
      };
    },
    async beforeTraining(world, scope) {
      const condition = world.condition();
      let arrived = false;
      world.network.handle(ARRIVED, () => {
        arrived = true;
        condition.notify();
      });
      world.network.send(shipper as NodeId, WAITING, {});
      await condition.until(() => arrived, { what: "the records of all sites" }, scope);
    },
  };
}

/** The central site with all rows dealt evenly over its workers. */
function centralSite(
  { sites, training }: DeployRequest,
  center: SitePlan,
  options: CentralizeOptions,
): SitePlan {
  const move = (node: NodeInfo, index: number): NodeInfo => ({
    id: nodeId(center.id, node.role, index),
    site: center.id,
    role: node.role,
    index,
  });
  const all = options.workers === "all";
  const everybody = sites.flatMap((site) => site.workers);
  const workers = all ? everybody : center.workers;
  const servers = all ? sites.flatMap((site) => site.servers) : center.servers;
  // Who holds private parameters (a user's factors) keeps the rows that they belong to.
  const stays = all && training.learner.privateLength > 0;
  const pooled = everybody.flatMap((worker) => [...worker.rows]);
  return {
    ...center,
    workers: workers.map((worker, i) => ({
      node: move(worker.node, i),
      number: i,
      rows: stays
        ? worker.rows
        : Uint32Array.from(pooled.filter((_, k) => k % workers.length === i)),
    })),
    servers: servers.map(move),
  };
}

/** Waits for every source, then lets the workers begin: those that wait, and those that ask later. */
function receive(sources: readonly SitePlan[]): NodeProgram {
  return async (world, scope) => {
    const missing = new Map<SiteId, number>(
      sources.map((source) => [source.id, Number.POSITIVE_INFINITY]),
    );
    const condition = world.condition();
    const got = new Map<string, number>();
    world.network.handle(RECORDS, (message) => {
      const from = message.header["site"] as SiteId;
      const count = (got.get(from) ?? 0) + 1;
      got.set(from, count);
      if (count === message.header["pieces"]) missing.delete(from);
      condition.notify();
    });
    let waiting: NodeId[] = [];
    const tell = (worker: NodeId): void => world.network.send(worker, ARRIVED, {});
    world.network.handle(WAITING, (_, worker) => {
      if (missing.size === 0) tell(worker);
      else waiting.push(worker);
    });
    await condition.until(
      () => missing.size === 0,
      { what: "records", whom: () => [...missing.keys()] },
      scope,
    );
    for (const worker of new Set(waiting)) tell(worker);
    waiting = [];
    world.emit({
      type: "metric",
      t: world.clock.now(),
      name: "centralize.shippedSeconds",
      value: world.clock.now() / 1e6,
      site: world.node.site,
    });
    await condition.until(() => false, { what: "the end of the run" }, scope);
  };
}

function ship(source: SitePlan, receiver: NodeInfo, request: DeployRequest) {
  const node: NodeInfo = {
    id: nodeId(source.id, "shipper", 0),
    site: source.id,
    role: "shipper",
    index: 0,
  };
  const program: NodeProgram = async (world, scope) => {
    const records = source.workers.map(({ rows }) => encodeRecords(request.training.dataset, rows));
    const cuts = records.flatMap((bytes) =>
      Array.from({ length: Math.max(1, Math.ceil(bytes.length / PIECE_BYTES)) }, (_, i) =>
        bytes.subarray(i * PIECE_BYTES, (i + 1) * PIECE_BYTES),
      ),
    );
    for (const piece of cuts) {
      const header = { site: source.id, pieces: cuts.length };
      world.network.send(receiver.id, RECORDS, header, [piece]);
      await world.network.drained(receiver.id, PIECE_BYTES, scope);
    }
  };
  return { node, program };
}

/** The rows as bytes: raw features and the label; user, item and rating; or the tokens of a window. */
function encodeRecords(dataset: Dataset, rows: Uint32Array): Uint8Array {
  const columns = columnsOf(dataset);
  const width = columns.reduce((sum, column) => sum + column.width, 0);
  const out = new Uint8Array(rows.length * width);
  let at = 0;
  for (const row of rows) {
    for (const { bytes, width, begin } of columns) {
      out.set(bytes.subarray(begin(row), begin(row) + width), at);
      at += width;
    }
  }
  return out;
}

/** A part of each record: so many bytes from where it begins. */
interface Column {
  readonly bytes: Uint8Array;
  readonly width: number;
  readonly begin: (row: number) => number;
}

const bytesOf = (part: ArrayBufferView): Uint8Array =>
  new Uint8Array(part.buffer, part.byteOffset, part.byteLength);

function columnsOf(dataset: Dataset): readonly Column[] {
  if (dataset.kind === "text") {
    const { tokens, starts, length } = dataset;
    const size = tokens.BYTES_PER_ELEMENT;
    const begin = (row: number): number => (starts[row] as number) * size;
    return [{ bytes: bytesOf(tokens), width: (length + 1) * size, begin }];
  }
  const parts =
    dataset.kind === "dense"
      ? [dataset.features, dataset.labels]
      : [dataset.users, dataset.items, dataset.ratings];
  return parts.map((part) => {
    const width = part.byteLength / dataset.rows;
    return { bytes: bytesOf(part), width, begin: (row) => row * width };
  });
}
