/**
 * Where a host begins, as a worker thread or a child process. What it runs is the run's part of a host, which lies
 * above the worlds and is therefore loaded by its address.
 */
import { existsSync, rmSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { isMainThread, parentPort, workerData } from "node:worker_threads";
import { invariant } from "../../core/errors.ts";
import type { Buckets } from "../bus/buckets.ts";
import type { Bus } from "../bus/contract.ts";
import { createComputePool } from "../compute/pool.ts";
import { meet } from "./meet.ts";
import { Member, type Relays, type Surroundings } from "./member.ts";
import { type HostPort, type HostSetup, portable, type Relayed, type ToHost } from "./protocol.ts";
import { FileStore } from "./store.ts";

/** The exit code of a process whose parent is gone. */
const ORPHANED = 70;
/** Of the run; who is left behind takes it away. */
let folder: string | undefined;
const RUN_PART = new URL("../../run/live-host.js", import.meta.url).href;
const CLUSTER_PART = new URL("../cluster/peer.js", import.meta.url).href;

/** What this machine gives a host. */
export const hostMeans = {
  exists: async (path: string): Promise<boolean> => existsSync(path),
  readFile: (path: string): Promise<Uint8Array> => readFile(path),
  createPool: createComputePool,
};
export type HostMeans = typeof hostMeans;

function threadPort(): HostPort {
  const port = parentPort;
  invariant(port, "entry.ts runs as a worker thread or a child process");
  return {
    post: (message) => port.postMessage(message),
    onMessage: (handler) => {
      port.on("message", handler);
    },
    exit: () => process.exit(0),
  };
}

function processPort(): HostPort {
  // Ctrl-C goes to the whole group of processes: the supervisor decides what it means.
  process.on("SIGINT", () => {});
  process.on("disconnect", () => {
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
    process.exit(ORPHANED);
  });
  return {
    post: (message) => {
      if (process.connected) process.send?.(message);
    },
    onMessage: (handler) => {
      process.on("message", (message) => handler(message as ToHost));
    },
    exit: () => process.exit(0),
  };
}

/** What hosts of a cluster have of its bus: loaded by its address, too. */
async function clusterPart(
  setup: HostSetup,
): Promise<Pick<Surroundings, "relays" | "joinBus" | "bucketsOf">> {
  const { meeting } = setup;
  if (meeting.kind !== "network" || !meeting.relayed) return {};
  const { relayed } = meeting;
  const part = (await import(CLUSTER_PART)) as {
    peerRelays(setup: HostSetup, relayed: Relayed): Relays;
    peerBus(setup: HostSetup, relayed: Relayed): Promise<Bus>;
    peerBuckets(setup: HostSetup, bus: Bus): Buckets;
  };
  return {
    relays: part.peerRelays(setup, relayed),
    joinBus: () => part.peerBus(setup, relayed),
    bucketsOf: (bus) => part.peerBuckets(setup, bus),
  };
}

async function begin(setup: HostSetup, port: HostPort): Promise<void> {
  try {
    const part = (await import(RUN_PART)) as {
      runHost(member: Member, means: HostMeans): Promise<void>;
    };
    const storeOf = (node: string): FileStore =>
      new FileStore(join(setup.folder, "store", encodeURIComponent(node)));
    const around = { meet, storeOf, ...(await clusterPart(setup)) };
    await part.runHost(new Member(setup, port, around), hostMeans);
  } catch (error) {
    port.post({ type: "failed", failure: portable(error) });
  }
}

const setUp = isMainThread
  ? new Promise<HostSetup>((resolve) => {
      process.once("message", (setup) => resolve(setup as HostSetup));
    })
  : Promise.resolve(workerData as HostSetup);
const port = isMainThread ? processPort() : threadPort();
const setup = await setUp;
folder = setup.folder;
await begin(setup, port);
