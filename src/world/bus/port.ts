/** A pipe through a message port of a worker thread. */
import type { MessagePort } from "node:worker_threads";
import type { Pipe } from "./remote.ts";

export function portPipe(port: MessagePort): Pipe {
  return {
    send: (frame) => port.postMessage(frame),
    receive: (handler) => {
      port.on("message", (frame: Uint8Array) => handler(frame));
    },
    ended: new Promise((resolve) => {
      port.once("close", () => resolve(undefined));
    }),
  };
}
