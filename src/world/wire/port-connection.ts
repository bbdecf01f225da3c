/** Connections between threads of one process, over a message channel. */
import type { MessagePort } from "node:worker_threads";
import { TimeoutError } from "../../core/errors.ts";
import { LaneConnection } from "./connection.ts";
import type { Connection } from "./contract.ts";
import { peerGone, refused } from "./errors.ts";
import { introduction, objection, readHello } from "./hello.ts";
import { limitsOf, type WireOptions } from "./options.ts";
import { PortLane, type PortMessage } from "./port-lane.ts";

/** The first message in each direction. */
interface PortHello {
  readonly hello: Readonly<Record<string, string | number>>;
}

/**
 * Joins this thread to the one that has the channel's other port; both call this. Throws PEER_REFUSED when the
 * other is of another run or version, PEER_GONE when it ended, TIMEOUT after `helloMillis` of silence.
 */
export function connectPort(port: MessagePort, options: WireOptions): Promise<Connection> {
  // A thread that ends closes its ports, so silence means work there, not death.
  const limits = { ...limitsOf(options, true), silenceMillis: options.silenceMillis ?? 0 };
  const lanes = { control: new PortLane(port, "control"), bulk: new PortLane(port, "bulk") };
  return new Promise((resolve, reject) => {
    let peer: string | undefined;
    const fail = (error: Error): void => {
      clearTimeout(deadline);
      port.close();
      reject(error);
    };
    const deadline = setTimeout(
      () => fail(new TimeoutError(`a thread did not answer in ${limits.helloMillis} ms`)),
      limits.helloMillis,
    );
    port.on("message", (message: PortHello | PortMessage) => {
      if ("queue" in message) {
        lanes[message.queue].hear(message);
        return;
      }
      const hello = readHello(message.hello, false);
      const wrong = typeof hello === "string" ? hello : objection(hello, options);
      if (wrong !== undefined || typeof hello === "string") {
        fail(refused("a thread", wrong ?? ""));
        return;
      }
      clearTimeout(deadline);
      peer = hello.name;
      resolve(new LaneConnection(peer, lanes, limits));
    });
    port.on("close", () => {
      const error = peerGone(peer ?? "a thread", "its port was closed");
      fail(error);
      lanes.control.fail(error);
      lanes.bulk.fail(error);
    });
    port.postMessage({ hello: introduction(options, false) } satisfies PortHello);
  });
}
