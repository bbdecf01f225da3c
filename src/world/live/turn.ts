/** The next turn of the event loop: after what waits now, before time has passed. Pages have no `setImmediate`. */

type Turn = (action: () => void) => void;

/** A timer would wait at least a millisecond, and four when nested: a message does not. */
const byMessage: Turn = (action) => {
  const { port1, port2 } = new MessageChannel();
  // The types of browsers are not among those of Node.
  const near = port1 as unknown as { onmessage: () => void };
  near.onmessage = () => {
    port1.close();
    action();
  };
  port2.postMessage(undefined);
};

export const nextTurn: Turn =
  typeof setImmediate === "function" ? (action) => setImmediate(action) : byMessage;
