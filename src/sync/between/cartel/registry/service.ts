/** The metadata service as an experiment names it, and how a site's program reaches it. */
import { z } from "zod";
import { InputError } from "../../../../core/errors.ts";
import { nodeId } from "../../../../core/ids.ts";
import type { Scope } from "../../../../core/scope.ts";
import { MILLISECOND } from "../../../../core/units.ts";
import type { NodeInfo, World } from "../../../../world/contract.ts";
import { bestConnected } from "../../../network.ts";
import type { StreamDeployment, StreamRequest } from "../../../streams.ts";
import { centralRegistry, registryProgram } from "./central.ts";
import type { Registry, RegistryTerms } from "./contract.ts";
import { Dht } from "./dht/dht.ts";
import { natsRegistry } from "./nats.ts";

const count = z.number().int().positive();

export const RegistryOptions = z.discriminatedUnion("kind", [
  /** One node keeps all records. */
  z.strictObject({
    kind: z.literal("central"),
    /** Where it stands; by default at the best-connected site. */
    site: z.string().optional(),
  }),
  /** A bucket of the control bus: where the world has one. */
  z.strictObject({
    kind: z.literal("nats"),
    bucket: z
      .string()
      .regex(/^[\w-]+$/)
      .default("cartel"),
  }),
  /** The sites themselves. Kademlia's k is 20 for millions of nodes; with 8 half of the nodes may come and go (test/sync/registry.test.ts). */
  z.strictObject({
    kind: z.literal("dht"),
    /** k: contacts of a bucket, and nodes that keep a record. */
    replicas: count.default(8),
    /** alpha: questions of a lookup that are under way at once. */
    parallel: count.default(3),
    /** A node that is silent for so long has failed; above the longest round trip. */
    patienceMs: z.number().positive().default(500),
    /** Other sites that each knows from the start. */
    seeds: count.default(3),
  }),
]);
export type RegistryOptions = z.infer<typeof RegistryOptions>;

export interface RegistryService {
  /** Nodes that it brings. */
  readonly programs: StreamDeployment["programs"];
  /** @param scope owns what goes on beside the site's program. */
  open(world: World, scope: Scope): Registry;
}

export function registryService(
  options: RegistryOptions,
  request: StreamRequest,
  terms: RegistryTerms,
): RegistryService {
  switch (options.kind) {
    case "central": {
      const { sites } = request;
      const { id: site } = sites.find(({ id }) => id === options.site) ?? bestConnected(request);
      const node: NodeInfo = { id: nodeId(site, "registry", 0), site, role: "registry", index: 0 };
      return {
        programs: [{ node, program: registryProgram(terms) }],
        open: (world) => centralRegistry(world, node.id, terms),
      };
    }
    case "nats": {
      const { bus } = request;
      if (!bus)
        throw new InputError([
          {
            code: "REGISTRY_NEEDS_BUS",
            message: "the registry `nats` needs a control bus, and this world has none",
            path: ["between", "registry", "kind"],
            fix: "registry: { kind: central } or { kind: dht }, or world: local or cluster",
          },
        ]);
      return {
        programs: [],
        open: (world, scope) =>
          natsRegistry(world, bus(world.node), { ...terms, bucket: options.bucket }, scope),
      };
    }
    case "dht": {
      const { replicas, parallel, patienceMs } = options;
      const patience = Math.round(patienceMs * MILLISECOND);
      return {
        programs: [],
        open: (world, scope) => {
          const seeds = seedsOf(request, world, options.seeds);
          const dht = { ...terms, replicas, parallel, patience, republish: terms.ttl / 3, seeds };
          return new Dht(world, dht, scope);
        },
      };
    }
    default:
      return options satisfies never;
  }
}

/** Some other sites, each node its own. */
function seedsOf({ sites }: StreamRequest, world: World, count: number) {
  const others = sites.map(({ peer }) => peer.id).filter((id) => id !== world.node.id);
  return world.random.stream("dht.seeds").shuffle(others).slice(0, count);
}
