/** The way to hosts that cannot be dialled, and cannot dial this one: over the bus, which all of them reach. */
import type { Bus } from "../bus/contract.ts";
import type { Relays } from "../live/member.ts";
import type { HostSetup } from "../live/protocol.ts";
import { relay } from "./relay.ts";

/** The other end hears of it from the supervisor as this one does. */
const HELLO_MILLIS = 60_000;

/** To other hosts of a run. @param join joins the bus, when the first is asked for. */
export function relays(
  { host, run, token, version }: Pick<HostSetup, "host" | "run" | "token" | "version">,
  join: () => Promise<Bus>,
): Relays {
  let bus: Promise<Bus> | undefined;
  return {
    join: async (peer) => {
      bus ??= join();
      const options = { name: String(host), peer: String(peer), run, token, version };
      return relay(await bus, { ...options, helloMillis: HELLO_MILLIS });
    },
    close: async () => {
      const joined = await bus?.catch(() => undefined);
      await joined?.close();
    },
  };
}
