/**
 * The hosts of a run as threads or child processes of this machine, one a name. The run's bus is here, in memory; hosts
 * reach it over their ports.
 */
import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MessageChannel, type MessagePort } from "node:worker_threads";
import { invariant } from "../../core/errors.ts";
import { MemoryBroker } from "../bus/memory.ts";
import type { Pipe } from "../bus/remote.ts";
import { serveBus } from "../bus/serve.ts";
import { realTimers } from "../bus/timers.ts";
import type { Fleet, RunningHost } from "../live/fleet.ts";
import { launch } from "../live/launch.ts";
import type { HostKind, HostSetup, Meeting } from "../live/protocol.ts";

/** @param names of the hosts; unique. @param means what each of them has of this machine. */
export function localFleet(
  kind: HostKind,
  names: readonly string[],
  means: HostSetup["means"],
): Fleet {
  const run = secret();
  const token = secret();
  const ports = kind === "threads" ? channels(names.length) : undefined;
  const broker = new MemoryBroker(realTimers());
  const served: Promise<void>[] = [];
  let folder: string | undefined;
  return {
    open: async () => {
      folder = await mkdtemp(join(tmpdir(), "pangaea-"));
    },
    start: (host, task, onMessage) => {
      invariant(folder !== undefined, "a fleet is opened before it starts hosts");
      const own = ports?.[host];
      const meeting: Meeting = own ? { kind: "channels", ports: own } : { kind: "sockets" };
      const version = "local";
      const setup = { host, names, folder, run, token, version, meeting, means, task };
      const hear = busPort();
      const running = launch(kind, setup, (message) => {
        if (message.type === "bus") hear.take(message.frame);
        else onMessage(message);
      });
      served.push(serveBus(broker.connect(running.name), hear.pipe(running)));
      return running;
    },
    close: async () => {
      await Promise.all(served);
      if (folder !== undefined) await rm(folder, { recursive: true, force: true });
    },
  };
}

/** The supervisor's end of the way between a host and the bus. */
function busPort() {
  let handler = (_: Uint8Array): void => {};
  return {
    take: (frame: Uint8Array): void => handler(frame),
    pipe: (running: RunningHost): Pipe => ({
      send: (frame) => running.post({ type: "bus", frame }),
      receive: (given) => {
        handler = given;
      },
      ended: running.ended,
    }),
  };
}

/** A channel for each pair of threads: the ports of each, by the other's number. */
function channels(count: number): readonly ReadonlyMap<number, MessagePort>[] {
  const ports = Array.from({ length: count }, () => new Map<number, MessagePort>());
  for (let a = 0; a < count; a++) {
    for (let b = 0; b < a; b++) {
      const { port1, port2 } = new MessageChannel();
      ports[a]?.set(b, port1);
      ports[b]?.set(a, port2);
    }
  }
  return ports;
}

const secret = (): string => randomBytes(16).toString("hex");
