/**
 * The agent of a page, as a Web Worker: there its beats go on when the page is in the background, where browsers slow
 * the timers of pages. It is a member of the cluster that only dials out; the host of each run is a worker of its own,
 * so that a step never keeps the agent from answering.
 */
import { connectWebSocket } from "../world/bus/nats-websocket.ts";
import { realTimers } from "../world/bus/timers.ts";
import type { StartHost } from "../world/cluster/assignment.ts";
import { serveMember } from "../world/cluster/serving.ts";
import type { HostEnd } from "../world/live/fleet.ts";
import { type HostSetup, portable } from "../world/live/protocol.ts";
import { CONNECT_MICROS } from "./access.ts";
import { AskedFiles, answerRead } from "./files.ts";
import type { FromAgent, FromPageHost, PageMember, ToAgent, ToPageHost } from "./messages.ts";
import { type WebWorker, whole, workerScope } from "./platform.ts";

declare const Worker: new (address: URL, options: { readonly type: "module" }) => WebWorker;

/** Paths of data are relative to what the page gives. */
const MEANS: HostSetup["means"] = { roots: ["."], threads: 0 };

const scope = workerScope();
const say = (said: FromAgent): void => scope.postMessage(said);
const files = new AskedFiles(say);
const leaving = new AbortController();

async function join(member: PageMember): Promise<void> {
  const { bus: access, ...own } = member;
  const notify = (text: string): void => say({ type: "status", text });
  const timers = realTimers();
  const bus = await connectWebSocket({
    ...{ servers: access.servers, id: own.id, deadline: CONNECT_MICROS, timers },
    auth: access.seed === undefined ? undefined : { kind: "nkey", seed: access.seed },
    notify: (notice) => {
      if (notice.type === "refused") notify(`refused: ${notice.operation} of ${notice.subject}`);
      else notify(`the bus: ${notice.type}`);
      if (notice.type === "ended") leaving.abort();
    },
  });
  try {
    await serveMember({
      ...{ ...own, bus, timers, notify, signal: leaving.signal },
      roles: ["worker"],
      address: "",
      startHost: webWorkers(member),
    });
  } finally {
    await bus.close();
  }
}

const webWorkers =
  ({ version, bus }: PageMember): StartHost =>
  async (order, onMessage) => {
    const worker = new Worker(new URL("./host.js", import.meta.url), { type: "module" });
    const give = (message: ToPageHost, transfer: readonly unknown[] = []): void =>
      worker.postMessage(message, transfer);
    let end = (_: HostEnd): void => {};
    const ended = new Promise<HostEnd>((resolve) => {
      end = (how) => {
        worker.terminate();
        resolve(how);
      };
    });
    worker.onerror = ({ message }) => end({ how: message ?? "it did not load", lastLines: [] });
    worker.onmessage = ({ data }) => {
      const said = data as FromPageHost;
      if (said.type === "from") onMessage(said.message);
      else if (said.type === "over") end({ how: "exit code 0", lastLines: [] });
      else answerRead(said, files.source).then((answer) => give(answer, whole(answer.bytes)), end);
    };
    const meeting = { kind: "relayed" as const };
    const setup = { ...order, folder: "", version, meeting, means: MEANS };
    give({ type: "begin", setup, bus });
    return {
      name: order.names[order.host] ?? "",
      post: (message) => give({ type: "to", message }),
      ended,
      kill: () => end({ how: "the agent ended it", lastLines: [] }),
    };
  };

scope.onmessage = ({ data }) => {
  const message = data as ToAgent;
  if (message.type === "file") files.answered(message);
  else if (message.type === "leave") leaving.abort();
  else {
    join(message.member).then(
      () => say({ type: "left", failure: undefined }),
      (error: unknown) => say({ type: "left", failure: portable(error) }),
    );
  }
};
