/**
 * Centralised learning on streams: every site predicts each batch, then ships its records to one site, where one global
 * model learns them as they arrive, the sites' records in turn. Every so often it goes back to the sites whole; a site predicts with
 * the last one that it got. A baseline; the policies of the sites must allow their records to move. The centre learns
 * from what arrived and never looks at the data of another site.
 */
import type { Batch, Dataset, DenseDataset } from "../../../core/dataset.ts";
import { invariant } from "../../../core/errors.ts";
import type { NodeId } from "../../../core/ids.ts";
import type { TailoredModel } from "../../../model/tailored.ts";
import type { NodeInfo, NodeProgram, World } from "../../../world/contract.ts";
import { messageKind } from "../../../world/message.ts";
import { coordinatorOf } from "../../network.ts";
import { type JudgedBatch, runSite } from "../../site-loop.ts";
import type { StreamDeployment, StreamRequest, StreamSite } from "../../streams.ts";

/** Site to centre: features and labels of a batch. */
const RECORDS = messageKind("centralize.batch", "bulk", "records");
/** Centre to site: the whole model. */
const MODEL = messageKind("centralize.model", "bulk", "parameters");

export interface CentralStreamOptions {
  /** The site that learns; by default the best-connected one. */
  readonly site?: string | undefined;
  /** Batches of each site between two models from the centre. */
  readonly everyBatches: number;
}

export function centralStreams(
  options: CentralStreamOptions,
  request: StreamRequest,
): StreamDeployment {
  const { sites } = request;
  const centre = coordinatorOf(request, options.site);
  return {
    programs: [
      ...sites.map((site) => ({ node: site.peer, program: shipping(site, centre, request) })),
      { node: centre, program: learning(options, request) },
    ],
    enders: sites.map(({ peer }) => peer),
  };
}

function shipping(site: StreamSite, centre: NodeInfo, request: StreamRequest): NodeProgram {
  return async (world, scope) => {
    const model = request.createModel(request.random.stream("model"));
    let arrived: Uint8Array | undefined;
    world.network.handle(MODEL, ({ payload }) => {
      arrived = payload[0] as Uint8Array;
    });
    const learn = async ({ dataset, rows }: JudgedBatch): Promise<number> => {
      world.network.send(centre.id, RECORDS, {}, recordsOf(dataset, rows));
      return 0;
    };
    const learned = (): void => {
      if (arrived) model.restore(arrived);
      arrived = undefined;
    };
    await runSite({ world, site, request }, { model: () => model, learn, learned }, scope);
  };
}

function learning({ everyBatches }: CentralStreamOptions, request: StreamRequest): NodeProgram {
  const { sites } = request;
  return async (world, scope) => {
    const model = request.createModel(request.random.stream("model"));
    const condition = world.condition();
    const arrivals: Arrival[] = [];
    world.network.handle(RECORDS, ({ payload }, from) => {
      arrivals.push({ from, data: batchOf(request.dataset, payload) });
      condition.notify();
    });
    for (let rounds = 1; ; rounds++) {
      await condition.until(() => isRound(arrivals, sites.length), { what: "records" }, scope);
      const batch = mixed(arrivals.splice(0).map(({ data }) => data));
      const flops = await world.spend(() => model.learn(batch), scope);
      tell(world, flops, model, arrivals.length);
      if (rounds % everyBatches === 0) sendBack(world, sites, model);
    }
  };
}

interface Arrival {
  readonly from: NodeId;
  readonly data: DenseDataset;
}

/** A batch of every site; or two of one, so that nobody waits for a site that is down. */
const isRound = (arrivals: readonly Arrival[], sites: number): boolean =>
  arrivals.length >= sites || new Set(arrivals.map(({ from }) => from)).size < arrivals.length;

/** One batch of several: a row of each in turn, as records come that are not held back for a batch. */
function mixed(parts: readonly DenseDataset[]): Batch {
  const like = parts[0]!;
  const width = like.features.length / like.rows;
  const total = parts.reduce((sum, { rows }) => sum + rows, 0);
  const features = new (like.features.constructor as Uint8ArrayConstructor)(total * width);
  const labels = new Int32Array(total);
  const order: { readonly turn: number; readonly row: number }[] = [];
  let begin = 0;
  for (const part of parts) {
    features.set(part.features, begin * width);
    labels.set(part.labels, begin);
    for (let i = 0; i < part.rows; i++) order.push({ turn: i, row: begin + i });
    begin += part.rows;
  }
  order.sort((a, b) => a.turn - b.turn || a.row - b.row);
  const dataset: DenseDataset = { ...like, rows: total, features, labels };
  return { dataset, rows: Uint32Array.from(order, ({ row }) => row) };
}

/** To every site whose link has taken the one before. */
function sendBack({ network }: World, sites: readonly StreamSite[], model: TailoredModel): void {
  const saved = [model.save()];
  for (const { peer } of sites)
    if (network.backlog(peer.id) === 0) network.send(peer.id, MODEL, {}, saved);
}

function tell(world: World, flops: number, model: TailoredModel, waiting: number): void {
  const { site } = world.node;
  const t = world.clock.now();
  const numbers = { trainFlops: flops, modelBytes: model.bytes(), batchesWaiting: waiting };
  for (const [name, value] of Object.entries(numbers))
    world.emit({ type: "metric", t, name: `centralize.${name}`, value, site });
}

/** Features and labels of the rows, as they cross the link. */
function recordsOf(dataset: Dataset, rows: Uint32Array): readonly ArrayBufferView[] {
  invariant(dataset.kind === "dense", "streams are of rows of features");
  const { features, labels } = dataset;
  const width = features.length / dataset.rows;
  const own = new (features.constructor as Uint8ArrayConstructor)(rows.length * width);
  const classes = new Int32Array(rows.length);
  rows.forEach((row, i) => {
    own.set(features.subarray(row * width, (row + 1) * width), i * width);
    classes[i] = labels[row]!;
  });
  return [own, classes];
}

/** What arrived, as a data set of its own; shape and scale are those that all sites know. */
function batchOf(like: Dataset, [features, labels]: readonly ArrayBufferView[]): DenseDataset {
  invariant(like.kind === "dense", "streams are of rows of features");
  const rows = (labels as Int32Array).length;
  return { ...like, rows, features: features as Uint8Array, labels: labels as Int32Array };
}
