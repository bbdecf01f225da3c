/** A run on a cluster's agents, coordinated from here. */
import { InputError } from "../core/errors.ts";
import { leadRun } from "../world/cluster/coordinator.ts";
import type { NodeInfo } from "../world/contract.ts";
import type { RunHost } from "./host.ts";
import { type Stage, stepsNote } from "./live-stage.ts";
import type { ClusterWorldSpec, RunSpec } from "./spec.ts";

/** Waits until the agents that the run needs are reserved for it. */
export async function clusterStage(
  spec: RunSpec,
  world: ClusterWorldSpec,
  nodes: Iterable<NodeInfo>,
  host: RunHost,
): Promise<Stage> {
  const { cluster: access, signal } = host;
  if (!access) {
    const message = "the cluster world needs keys, or to be told to do without";
    throw new InputError([{ code: "BUS_INSECURE", message, fix: "--keys FOLDER, or --insecure" }]);
  }
  const { nats, domain, labels, waitSeconds, pace, links } = world;
  const led = await leadRun(
    {
      ...{ nats, domain, access, signal, title: spec.name },
      wanted: { nodes: [...nodes], labels },
      waitMicros: waitSeconds * 1e6,
      tell: (text) => host.warn?.(text),
      onLost: (error) => host.warn?.(error.message),
    },
    spec,
  );
  const { run, crew, fleet } = led;
  return {
    names: crew.agents.map(({ id }) => id),
    hostOf: crew.hostOf,
    fleet,
    links: { pace, shaped: links === "shaped" },
    shared: undefined,
    note: `cluster world, run ${run}: times are real; ${crew.agents.length} agents, ${stepsNote(spec, pace)}, links are ${links}`,
    close: () => led.close(),
  };
}
