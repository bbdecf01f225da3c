/** Hosts of a local world in this process, joined by what a test gives. */

import type { PangaeaError } from "../../src/core/errors.ts";
import type { NodeId, SiteId } from "../../src/core/ids.ts";
import { createPlainKernels } from "../../src/core/kernels/plain.ts";
import type { NodeInfo, NodeProgram } from "../../src/world/contract.ts";
import { machineMicros, RunClock } from "../../src/world/live/clock.ts";
import { LocalHost, type LocalHostOptions } from "../../src/world/live/host.ts";
import type { Place } from "../../src/world/live/network.ts";
import { MemoryStore } from "../../src/world/simulated/store.ts";
import type { Connection, Parcel } from "../../src/world/wire/contract.ts";
import { fakePool, makeTopology } from "./fixtures.ts";

/** Two ends that hand each other their parcels in the next turn. */
export function memoryPair(): [Connection, Connection] {
  const end = (peer: string) => {
    const early: Parcel[] = [];
    let handler: ((parcel: Parcel) => void) | undefined;
    let queued = 0;
    const drains: { bytes: number; resolve: () => void }[] = [];
    const settle = (): void => {
      for (const drain of drains.splice(0)) {
        if (queued <= drain.bytes) drain.resolve();
        else drains.push(drain);
      }
    };
    const accept = (parcel: Parcel): void => {
      if (handler) handler(parcel);
      else early.push(parcel);
    };
    const other: { accept?: (parcel: Parcel) => void } = {};
    const connection: Connection = {
      peer,
      send: (parcel) => {
        const bytes = parcel.payload.reduce((sum, part) => sum + part.byteLength, 0);
        if (parcel.queue === "bulk") queued += bytes;
        setImmediate(() => {
          if (parcel.queue === "bulk") queued -= bytes;
          settle();
          other.accept?.(parcel);
        });
      },
      backlog: () => queued,
      drained: (bytes, scope) => {
        if (queued <= bytes) return Promise.resolve();
        return new Promise((resolve, reject) => {
          const release = scope.onCancel(reject);
          drains.push({
            bytes,
            resolve: () => {
              release();
              resolve();
            },
          });
        });
      },
      receive: (given) => {
        handler = given;
        for (const parcel of early.splice(0)) given(parcel);
      },
      estimate: () => ({ goodput: 0, roundTripMicros: 0 }),
      close: async () => {},
      ended: new Promise(() => {}),
    };
    return { connection, accept, other };
  };
  const [a, b] = [end("b"), end("a")];
  a.other.accept = b.accept;
  b.other.accept = a.accept;
  return [a.connection, b.connection];
}

export interface HostedOptions extends Partial<LocalHostOptions> {
  readonly link?: Partial<ReturnType<ReturnType<typeof makeTopology>["link"]>>;
}

/** A host for each site (alpha is 0, beta is 1); every host is joined to every other by `pairs`. */
export function hostSites(
  nodes: readonly NodeInfo[],
  pair: readonly [Connection, Connection],
  options: HostedOptions = {},
) {
  const topology = makeTopology();
  const sites = topology.sites.map((site) => site.id);
  const places = new Map<NodeId, Place>(
    nodes.map((node) => {
      const site = sites.indexOf(node.site as SiteId);
      return [node.id, { host: site, site }];
    }),
  );
  const clock = new RunClock(machineMicros());
  const failures: PangaeaError[] = [];
  const hosts: LocalHost[] = [];
  for (const host of [0, 1]) {
    hosts.push(
      new LocalHost({
        topology,
        host,
        places,
        connections: new Map([[1 - host, pair[host] as Connection]]),
        shaped: false,
        jitterMicros: 0,
        lossRate: 0,
        duplicationRate: 0,
        recordsMayLeave: () => false,
        seed: 1,
        clock,
        kernels: createPlainKernels(),
        compute: fakePool(),
        pace: undefined,
        storeOf: () => new MemoryStore(),
        onEvent: () => {},
        onEnded: () => {},
        onFailed: (error) => {
          failures.push(error);
          for (const other of hosts) other.stop(error.message);
        },
        ...options,
      }),
    );
  }
  return {
    hosts,
    /** Runs the programs until all have ended; rejects with the first failure. */
    async run(programs: ReadonlyMap<NodeInfo, NodeProgram>): Promise<void> {
      hosts.forEach((host, index) => {
        const here = [...programs].filter(([node]) => places.get(node.id)?.host === index);
        host.start(new Map(here));
      });
      for (const host of hosts) await host.ended();
      for (const host of hosts) await host.close();
      if (failures[0]) throw failures[0];
    },
  };
}
