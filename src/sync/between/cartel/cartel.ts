/**
 * Cartel (Daga, Nicholson, Gavrilovska and Lugones, "Cartel: A System for Collaborative Transfer Learning at the Edge",
 * SoCC'19): every site keeps a small model tailored to its own stream. When a site's workload shifts, a metadata service
 * names sites that have already seen such a pattern (logical neighbours); the site takes useful portions of their
 * models, peer to peer, and goes on. There is no global model, and no record leaves its site.
 */
import { InputError } from "../../../core/errors.ts";
import type { Scope } from "../../../core/scope.ts";
import type { World } from "../../../world/contract.ts";
import type { Between } from "../../contract.ts";
import { runSite } from "../../site-loop.ts";
import type { StreamDeployment, StreamRequest, StreamSite } from "../../streams.ts";
import type { CartelOptions } from "./options.ts";
import { type RegistryService, registryService } from "./registry/service.ts";
import { CartelSite } from "./site.ts";
import { Sketch } from "./sketch.ts";

export const cartel = (options: CartelOptions): Between => ({
  deploy: () => {
    throw new InputError([
      {
        code: "IMPOSSIBLE_PAIR",
        message: "cartel is for models that learn from streams",
        path: ["between", "kind"],
        fix: "add data.stream, or use kind: gaia",
      },
    ]);
  },
  stream: (request) => cartelStreams(options, request),
});

/** Reports that a registry waits for before it forgets a site. */
const FORGOTTEN_REPORTS = 3;

export function cartelStreams(options: CartelOptions, request: StreamRequest): StreamDeployment {
  const { sites, classes } = request;
  const slowest = Math.max(...sites.map(({ stream }) => stream.everyMicros));
  const service = registryService(options.registry, request, {
    classes,
    nodes: new Set(sites.map(({ peer }) => peer.id)),
    ttl: FORGOTTEN_REPORTS * options.reportEvery * slowest,
  });
  return {
    programs: [
      ...sites.map((site) => ({
        node: site.peer,
        program: (world: World, scope: Scope) =>
          siteProgram(options, request, service, site, world, scope),
      })),
      ...service.programs,
    ],
    enders: sites.map(({ peer }) => peer),
  };
}

async function siteProgram(
  options: CartelOptions,
  request: StreamRequest,
  service: RegistryService,
  site: StreamSite,
  world: World,
  scope: Scope,
): Promise<void> {
  const { dataset, random } = request;
  const features = dataset.kind === "dense" ? dataset.features.length / dataset.rows : 0;
  const sketch =
    options.sketch > 0
      ? new Sketch(random.stream("cartel.sketch"), options.sketch, features)
      : undefined;
  // Drawn as an isolated site draws it: the two begin alike.
  const model = request.createModel(world.random.stream("model"));
  const registry = service.open(world, scope);
  const around = new CartelSite({ world, site, request, options, model, registry, sketch }, scope);
  try {
    await runSite({ world, site, request }, around, scope);
  } finally {
    await around.close();
  }
}
