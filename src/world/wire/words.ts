/** What the two ends of a connection say to each other beside the parcels. */
import type { NodeId } from "../../core/ids.ts";
import type { Header } from "../message.ts";
import type { LaneParcel } from "./lane.ts";

export const HELLO = "hello";
export const WELCOME = "welcome";
export const REFUSED = "refused";
/** Bytes that mean nothing: they open the window of a new socket's congestion control. */
export const WARM = "warm";
export const GOODBYE = "goodbye";
/** A sign of life. */
export const ALIVE = "alive";
/** PING {id} is answered at once by PONG {id}. */
export const PING = "ping";
export const PONG = "pong";
/** CREDIT {came, taken}: bytes of bulk that have come since the beginning, and in order (assembly.ts). */
export const CREDIT = "credit";

const NOBODY = "" as NodeId;

/** A message of the connection itself. */
export const internal = (
  kind: string,
  header: Header = {},
  payload: readonly ArrayBufferView[] = [],
): LaneParcel => ({ kind, from: NOBODY, to: NOBODY, header, payload });
