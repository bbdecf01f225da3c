/**
 * Federated averaging (McMahan et al., AISTATS'17) on streams: every N batches of its stream a site sends its model to the
 * coordinator, which averages what the sites of the round sent, weighted by the examples that each learned in it, in the
 * order of the sites, and sends the mean back. No batch waits: a site goes on learning, and takes the mean when it comes;
 * what it learned between sending and then is lost. A round in which a site is missing closes when the next one begins.
 * Models of a fixed layout are averaged; of forests, whose trees have no mean, the server's is a weighted sample of the
 * sites' trees (`TailoredModel.average`): a pooled forest.
 */
import { invariant } from "../../../core/errors.ts";
import type { NodeInfo, NodeProgram } from "../../../world/contract.ts";
import { messageKind } from "../../../world/message.ts";
import { coordinatorOf } from "../../network.ts";
import { type JudgedBatch, runSite } from "../../site-loop.ts";
import type { StreamDeployment, StreamRequest, StreamSite } from "../../streams.ts";
import { pickClients } from "./clients.ts";

/** Site to coordinator: `{ round, site, examples }` and the site's model. */
const RESULT = messageKind("federated.result", "bulk", "parameters");
/** Coordinator to site: `{ round }` and the mean. */
const MEAN = messageKind("federated.mean", "bulk", "parameters");

export interface FederatedStreamOptions {
  readonly fraction: number;
  readonly weights: "samples" | "equal";
  readonly coordinator?: string | undefined;
  /** Batches of each site in a round. */
  readonly everyBatches: number;
}

interface Result {
  readonly saved: Uint8Array;
  readonly examples: number;
}

export function federatedStreams(
  options: FederatedStreamOptions,
  request: StreamRequest,
): StreamDeployment {
  const { sites } = request;
  const centre = coordinatorOf(request, options.coordinator);
  return {
    programs: [
      ...sites.map((site) => ({
        node: site.peer,
        program: client(site, centre, options, request),
      })),
      { node: centre, program: coordinator(options, request) },
    ],
    enders: sites.map(({ peer }) => peer),
  };
}

/** The sites of a round, by their index; everybody draws the same. */
const clientsOf = (round: number, { fraction }: FederatedStreamOptions, request: StreamRequest) =>
  pickClients(request.random.stream(`federated.round.${round}`), request.sites.length, fraction);

function client(
  site: StreamSite,
  centre: NodeInfo,
  options: FederatedStreamOptions,
  request: StreamRequest,
): NodeProgram {
  const index = request.sites.indexOf(site);
  return async (world, scope) => {
    const model = request.createModel(request.random.stream("model"));
    let mean: Uint8Array | undefined;
    let examples = 0;
    world.network.handle(MEAN, ({ payload }) => {
      mean = payload[0] as Uint8Array;
    });
    const learned = (batch: JudgedBatch): void => {
      if (mean) model.restore(mean);
      mean = undefined;
      examples += batch.examples;
      if ((batch.batch + 1) % options.everyBatches !== 0) return;
      const round = (batch.batch + 1) / options.everyBatches - 1;
      if (clientsOf(round, options, request).includes(index)) {
        const header = { round, site: index, examples };
        world.network.send(centre.id, RESULT, header, [model.save()]);
      }
      examples = 0;
    };
    await runSite({ world, site, request }, { model: () => model, learned }, scope);
  };
}

function coordinator(options: FederatedStreamOptions, request: StreamRequest): NodeProgram {
  const { sites } = request;
  return async (world, scope) => {
    const model = request.createModel(request.random.stream("model"));
    const condition = world.condition();
    /** Results by round, then by site. */
    const rounds = new Map<number, Map<number, Result>>();
    let current = 0;
    world.network.handle(RESULT, ({ header, payload }) => {
      const round = header["round"] as number;
      if (round < current) return;
      const results = rounds.get(round) ?? new Map<number, Result>();
      rounds.set(round, results);
      const examples = header["examples"] as number;
      results.set(header["site"] as number, { saved: payload[0] as Uint8Array, examples });
      condition.notify();
    });
    for (; ; current++) {
      const clients = clientsOf(current, options, request);
      const missing = () => clients.filter((one) => !rounds.get(current)?.has(one));
      const later = () => [...rounds.keys()].some((round) => round > current);
      const whom = () => missing().map((one) => sites[one]!.id);
      const what = `the models of round ${current}`;
      await condition.until(() => missing().length === 0 || later(), { what, whom }, scope);
      const results = rounds.get(current);
      rounds.delete(current);
      if (!results) continue;
      const there = clients.flatMap((one) => results.get(one) ?? []);
      const weights = there.map(({ examples }) => (options.weights === "equal" ? 1 : examples));
      invariant(model.average, `models of kind ${model.kind} have no mean`);
      model.average(
        there.map(({ saved }) => saved),
        weights,
      );
      const mean = [model.save()];
      for (const { peer } of sites) world.network.send(peer.id, MEAN, { round: current }, mean);
      const t = world.clock.now();
      world.emit({ type: "metric", t, name: "federated.round", value: current + 1 });
    }
  };
}
