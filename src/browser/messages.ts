/** What a page, its agent and the hosts of the agent's runs say to each other: each is a Web Worker of the one before. */
import type { FromHost, HostSetup, PortableError, ToHost } from "../world/live/protocol.ts";

/** Where the bus is, and who comes. */
export interface BusAccess {
  /** "wss://host/path"; several of one cluster. */
  readonly servers: readonly string[];
  /** Of the role `node`; absent only where the servers stand on loopback without keys. */
  readonly seed: string | undefined;
}

export interface PageMember {
  readonly bus: BusAccess;
  readonly id: string;
  readonly site: string;
  readonly version: string;
  readonly domain: string | undefined;
  readonly coordinatorKey: string | undefined;
  readonly resources: Readonly<Record<string, number | string>>;
}

/** A file that is asked for by its path, and what there is: nothing where there is no such file. */
export interface ReadFile {
  readonly type: "read";
  readonly id: number;
  readonly path: string;
}
export interface FileRead {
  readonly type: "file";
  readonly id: number;
  readonly bytes: Uint8Array | undefined;
  readonly failure?: PortableError | undefined;
}

export type ToAgent =
  | { readonly type: "join"; readonly member: PageMember }
  | { readonly type: "leave" }
  | FileRead;

export type FromAgent =
  | { readonly type: "status"; readonly text: string }
  | ReadFile
  /** It has left; why, where that was not wished. */
  | { readonly type: "left"; readonly failure: PortableError | undefined };

export type ToPageHost =
  | { readonly type: "begin"; readonly setup: HostSetup; readonly bus: BusAccess }
  | { readonly type: "to"; readonly message: ToHost }
  | FileRead;

export type FromPageHost =
  | { readonly type: "from"; readonly message: FromHost }
  | ReadFile
  /** It has said everything. */
  | { readonly type: "over" };
