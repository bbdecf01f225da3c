/**
 * The host of a run in a page, as a Web Worker of the agent's: plans the run, reads its data, computes inline with ONNX
 * Runtime Web, and speaks with the other hosts over relays on a connection to the bus of its own.
 */
import { runHost } from "../run/live-host.ts";
import { bucketsOfRun } from "../world/bus/buckets.ts";
import { connectWebSocket } from "../world/bus/nats-websocket.ts";
import { realTimers } from "../world/bus/timers.ts";
import { relays } from "../world/cluster/relays.ts";
import { inlinePool } from "../world/compute/inline.ts";
import { Workbench } from "../world/compute/workbench.ts";
import type { Store } from "../world/contract.ts";
import { meetRelayed } from "../world/live/meet-relayed.ts";
import { Member } from "../world/live/member.ts";
import { type HostPort, portable, type ToHost } from "../world/live/protocol.ts";
import { CONNECT_MICROS } from "./access.ts";
import { AskedFiles, runFiles } from "./files.ts";
import type { FromPageHost, ToPageHost } from "./messages.ts";
import { workerScope } from "./platform.ts";
import { browserRuntime } from "./runtime.ts";
import { createPageStore } from "./store.ts";

const scope = workerScope();
const say = (said: FromPageHost): void => scope.postMessage(said);
const files = new AskedFiles(say);
const early: ToHost[] = [];
let hear = (message: ToHost): void => {
  early.push(message);
};

const port: HostPort = {
  post: (message) => say({ type: "from", message }),
  onMessage: (handler) => {
    hear = handler;
    for (const message of early.splice(0)) handler(message);
  },
  exit: () => {
    say({ type: "over" });
    scope.close();
  },
};

async function begin({ setup, bus }: Extract<ToPageHost, { type: "begin" }>): Promise<void> {
  const { servers, seed } = bus;
  const join = () =>
    connectWebSocket({
      ...{ servers, id: `${setup.run} host ${setup.host}`, deadline: CONNECT_MICROS },
      auth: seed === undefined ? undefined : { kind: "nkey", seed },
      timers: realTimers(),
    });
  const stores = new Map<string, Store>();
  const storeOf = (node: string): Store => {
    const store = stores.get(node) ?? createPageStore();
    stores.set(node, store);
    return store;
  };
  const member = new Member(setup, port, {
    meet: (_, talk) => meetRelayed(talk),
    bucketsOf: (bus) => bucketsOfRun(bus, setup.run),
    ...{ relays: relays(setup, join), storeOf, joinBus: join },
  });
  const runtime = await browserRuntime();
  await runHost(member, {
    ...runFiles(files.source),
    createPool: (options) => inlinePool(new Workbench(options, runtime)),
  });
}

scope.onmessage = ({ data }) => {
  const message = data as ToPageHost;
  if (message.type === "to") hear(message.message);
  else if (message.type === "file") files.answered(message);
  else {
    begin(message).catch((error: unknown) =>
      port.post({ type: "failed", failure: portable(error) }),
    );
  }
};
