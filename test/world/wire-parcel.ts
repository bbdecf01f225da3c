/** Parcels for tests of connections. */
import type { NodeId } from "../../src/core/ids.ts";
import type { Header } from "../../src/world/message.ts";
import type { Parcel } from "../../src/world/wire/contract.ts";

export const A = "alpha/peer-0" as NodeId;
export const B = "beta/peer-0" as NodeId;

export const parcel = (
  queue: Parcel["queue"],
  header: Header,
  payload: readonly ArrayBufferView[] = [],
): Parcel => ({ from: A, to: B, kind: `test.${queue}`, queue, header, payload });
