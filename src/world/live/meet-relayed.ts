/** Joining without sockets: a page can be dialled by nobody and dials nobody, so all that it says is relayed. */
import type { Door, Talk } from "./meet.ts";

const WHY = "a page has no address";
const NO_DETAILS = { stack: undefined, fix: undefined, issues: undefined };

/** Has a host relayed whenever the supervisor says so. */
export function relayWhenTold(talk: Talk): void {
  talk.on("relay", ({ host }) => {
    talk.relay(host).then(
      (connection) => talk.arrived(connection),
      (error: unknown) => {
        const message = error instanceof Error ? error.message : String(error);
        const failure = { ...NO_DETAILS, code: "UNREACHABLE", message };
        talk.post({ type: "broken", peer: String(host), failure });
      },
    );
  });
}

/** Tells the supervisor of each host that it is not reached; what to do then, the supervisor says. */
export async function meetRelayed(talk: Talk): Promise<Door> {
  const unreached = (host: number): void => talk.post({ type: "unreached", host, why: WHY });
  talk.on("dial", ({ host }) => unreached(host));
  relayWhenTold(talk);
  talk.post({ type: "listening" });
  const { dial } = await talk.join();
  for (const host of dial) unreached(host);
  return { close: async () => {} };
}
