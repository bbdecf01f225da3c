/** A host to be killed: says that it is up, and reads no more than a little of what it is sent. */
import { type MessagePort, workerData } from "node:worker_threads";
import type { Address, Connection } from "../../src/world/wire/contract.ts";
import { dial } from "../../src/world/wire/dial.ts";
import type { WireOptions } from "../../src/world/wire/options.ts";
import { connectPort } from "../../src/world/wire/port-connection.ts";
import { parcel } from "./wire-parcel.ts";

export interface VictimTask {
  readonly options: WireOptions;
  /** Where to dial, in a process. */
  readonly address?: Address;
  /** Whom to speak to, in a thread. */
  readonly port?: MessagePort;
}

async function main({ options, address, port }: VictimTask): Promise<void> {
  const connection: Connection = address
    ? await dial(address, options)
    : await connectPort(port!, options);
  connection.send(parcel("control", {}));
}

const task: VictimTask = workerData ?? JSON.parse(process.argv[2]!);
await main(task);
