/**
 * What a coordinator and the agents of its run say to each other. Orders down are signed (bus/signed.ts); each
 * names the run and the coordinator's epoch, so that those of a coordinator that was replaced are refused.
 */
import type { Micros } from "../../core/units.ts";
import type { HostEnd } from "../live/fleet.ts";
import type { FromHost, ToHost } from "../live/protocol.ts";

/** The role that orders are signed for. */
export const COORDINATOR = "coordinator" as const;

/** At an agent's door, signed: keep a place for the run. */
export interface Reserve {
  readonly type: "reserve";
  /** The agent's present life: what was meant for an earlier one is refused. */
  readonly life: string;
  readonly run: string;
  /** What the orders are signed with: believed only by an agent that was given no key. */
  readonly key: string;
}

/** At an agent's door, by anybody: what its machine's clock shows. */
export interface AskClock {
  readonly type: "clock";
}

export type DoorAnswer =
  /** `voice`: what the agent's messages of this run begin with. Only the coordinator hears it. */
  | { readonly type: "reserved"; readonly voice: string }
  | { readonly type: "refused"; readonly why: string }
  | { readonly type: "clock"; readonly micros: Micros };

export type Down =
  | {
      readonly type: "start";
      readonly host: number;
      readonly names: readonly string[];
      /** Of the hosts, by their numbers. */
      readonly sites?: readonly string[] | undefined;
      readonly token: string;
      readonly task: unknown;
    }
  | { readonly type: "to"; readonly message: ToHost }
  /** Another coordinator leads the run: tell it where the host stands. */
  | { readonly type: "attach" }
  | { readonly type: "kill" }
  /** The run is over for this agent. */
  | { readonly type: "release" };

export type Up =
  | { readonly type: "started"; readonly pid: number | undefined }
  | { readonly type: "from"; readonly message: FromHost }
  | { readonly type: "ended"; readonly end: HostEnd };
