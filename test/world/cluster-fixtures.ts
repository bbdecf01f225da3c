/**
 * Whole cluster runs of a test's own programs: agents, orders, leases and joining as anywhere; only the hosts are in
 * this process, because a program cannot be sent to another one.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createPlainKernels } from "../../src/core/kernels/plain.ts";
import type { Bus } from "../../src/world/bus/contract.ts";
import { realTimers } from "../../src/world/bus/timers.ts";
import { joinBus } from "../../src/world/cluster/access.ts";
import type { StartHost } from "../../src/world/cluster/assignment.ts";
import { leadRun } from "../../src/world/cluster/coordinator.ts";
import { peerBus } from "../../src/world/cluster/peer.ts";
import { relays } from "../../src/world/cluster/relays.ts";
import { serveMember } from "../../src/world/cluster/serving.ts";
import type { NodeInfo, NodeProgram } from "../../src/world/contract.ts";
import type { HostEnd } from "../../src/world/live/fleet.ts";
import { LocalHost } from "../../src/world/live/host.ts";
import { meet } from "../../src/world/live/meet.ts";
import { Member } from "../../src/world/live/member.ts";
import {
  type HostAddress,
  type HostPort,
  type HostSetup,
  portable,
  type Relayed,
  type ToHost,
} from "../../src/world/live/protocol.ts";
import { FileStore } from "../../src/world/live/store.ts";
import { Supervisor } from "../../src/world/live/supervisor.ts";
import type { Credentials } from "../../src/world/wire/options.ts";
import { contractNodes, type WorldUnderTest } from "./contract.ts";
import { fakePool, makeTopology } from "./fixtures.ts";
import type { NatsServer } from "./nats-server.ts";

type Programs = ReadonlyMap<NodeInfo, NodeProgram>;

export interface ClusterOptions {
  readonly server: NatsServer;
  readonly tls: Credentials;
  /** Where hosts say that they are dialled; by default where they are. */
  readonly advertise?: HostAddress;
}

const VERSION = "test";

/** An agent at each of the contract's sites; the answer to `stop` ends them. */
export async function clusterWorld({ server, tls, advertise }: ClusterOptions) {
  const servers = [server.url];
  const access = { version: VERSION, insecure: true, tls };
  const controller = new AbortController();
  const { signal } = controller;
  let programs: Programs = new Map();
  const folder = mkdtempSync(join(tmpdir(), "pangaea-test-"));
  const relayed = { servers, seed: undefined, tls: undefined };
  const listen = { host: "localhost", port: 0 };
  const meeting = { kind: "network" as const, listen, advertise, credentials: tls, relayed };
  const startHost: StartHost = async (order, onMessage) => {
    const own = join(folder, `${order.run}-${order.host}`);
    const means = { roots: [], threads: 0 };
    const setup = { ...order, folder: own, version: VERSION, meeting, means };
    return hostHere(setup, programs, relayed, onMessage);
  };
  const sites = [...new Set(contractNodes.map(({ site }) => site as string))];
  const served = await Promise.all(
    sites.map(async (site) => {
      const bus = await joinBus(servers, site, access);
      let there = (): void => {};
      const ready = new Promise<void>((resolve) => {
        there = resolve;
      });
      const serving = serveMember({
        ...{ bus, timers: realTimers(), id: `${site}/agent`, site, roles: ["server"], startHost },
        ...{ resources: {}, version: VERSION, coordinatorKey: undefined, address: "", signal },
        notify: (text) => text.includes("is there for runs") && there(),
      });
      await ready;
      return { over: serving.then(() => bus.close()) };
    }),
  );
  const warnings: string[] = [];
  const world: WorldUnderTest = {
    run: async (given) => {
      programs = given;
      await lead(given);
    },
  };
  const lead = async (given: Programs): Promise<void> => {
    const led = await leadRun({
      ...{ nats: servers, domain: undefined, access, signal, tell: (text) => warnings.push(text) },
      ...{ title: "contract", spec: {}, wanted: { nodes: contractNodes, labels: {} } },
      ...{ waitMicros: 30e6, leaseMicros: 6e6 },
    });
    await supervise(led, given, (text) => warnings.push(text));
  };
  return {
    world,
    warnings,
    stop: async () => {
      controller.abort();
      await Promise.all(served.map(({ over }) => over));
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Until all programs have ended; rejects with the first failure. */
async function supervise(
  led: Awaited<ReturnType<typeof leadRun>>,
  programs: Programs,
  warn: (text: string) => void,
): Promise<void> {
  let [open, over] = [programs.size, (): void => {}];
  let failure: Error | undefined;
  const ended = new Promise<void>((resolve) => {
    over = resolve;
  });
  const supervisor = new Supervisor({
    ...{ fleet: led.fleet, names: led.crew.agents.map(({ id }) => id), warn },
    ...{ taskOf: () => ({}), onEvent: () => {}, onSaid: () => {} },
    onEnded: () => {
      if (--open === 0) over();
    },
    onFailed: (error) => {
      failure ??= error;
      over();
    },
  });
  try {
    await supervisor.join();
    supervisor.go();
    if (open > 0) await ended;
    await supervisor.stop("the run is over");
  } finally {
    await supervisor.close();
    await led.close();
  }
  if (failure) throw failure;
}

/** A host in this process, in the place of a child. */
function hostHere(
  setup: HostSetup,
  programs: Programs,
  relayed: Relayed,
  onMessage: (message: Parameters<HostPort["post"]>[0]) => void,
) {
  let end: (end: HostEnd) => void = () => {};
  const ended = new Promise<HostEnd>((resolve) => {
    end = resolve;
  });
  const early: ToHost[] = [];
  let hear = (message: ToHost): void => {
    early.push(message);
  };
  const port: HostPort = {
    post: (message) => setImmediate(() => onMessage(message)),
    onMessage: (handler) => {
      hear = (message) => setImmediate(() => handler(message));
      for (const message of early) hear(message);
    },
    exit: () => {
      for (const bus of joined) bus.close().catch(() => {});
      end({ how: "exit code 0", lastLines: [] });
    },
  };
  const joined: Bus[] = [];
  const relay = relays(setup, async () => {
    const bus = await peerBus(setup, relayed);
    joined.push(bus);
    return bus;
  });
  const storeOf = (node: string) => new FileStore(join(setup.folder, encodeURIComponent(node)));
  const member = new Member(setup, port, { meet, storeOf, relays: relay });
  runPrograms(member, programs).catch((error: unknown) =>
    port.post({ type: "failed", failure: portable(error) }),
  );
  const kill = (): void => end({ how: "was ended", lastLines: [] });
  return {
    ...{ name: setup.names[setup.host] ?? "", pid: undefined, ended, kill },
    post: (message: ToHost) => hear(message),
  };
}

async function runPrograms(member: Member, programs: Programs): Promise<void> {
  const topology = makeTopology();
  const sites = topology.sites.map(({ id }) => id);
  const places = new Map(
    contractNodes.map(({ id, site }) => [
      id,
      { host: sites.indexOf(site), site: sites.indexOf(site) },
    ]),
  );
  const { host: index } = member.setup;
  const connections = await member.connect();
  const clock = await member.start();
  const host = new LocalHost({
    ...{ seed: 1, topology, host: index, places, connections, clock },
    ...{ shaped: false, jitterMicros: 0, lossRate: 0, duplicationRate: 0, pace: undefined },
    recordsMayLeave: () => false,
    kernels: createPlainKernels(),
    compute: fakePool(),
    storeOf: (node) => member.storeOf(node),
    onEvent: (event) => member.emit(event),
    onEnded: ({ id }) => member.ended(id),
    onFailed: (error) => member.failed(error),
  });
  host.start(new Map([...programs].filter(([{ id }]) => places.get(id)?.host === index)));
  await member.serve(host, clock, () => undefined);
  member.exit();
}
