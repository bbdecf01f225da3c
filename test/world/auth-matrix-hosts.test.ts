import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import { afterAll, beforeAll } from "vitest";
import { PangaeaError } from "../../src/core/errors.ts";
import type { NodeId } from "../../src/core/ids.ts";
import type { NodeProgram } from "../../src/world/contract.ts";
import { meet } from "../../src/world/live/meet.ts";
import { Member } from "../../src/world/live/member.ts";
import { DESK, type FromHost, type ToHost } from "../../src/world/live/protocol.ts";
import { type MessageKind, messageKind } from "../../src/world/message.ts";
import { MemoryStore } from "../../src/world/simulated/store.ts";
import type { Address, Connection } from "../../src/world/wire/contract.ts";
import { dial } from "../../src/world/wire/dial.ts";
import type { WireOptions } from "../../src/world/wire/options.ts";
import { type Cell, type Route, type Trial, testMatrix } from "./auth-matrix.ts";
import { makeNode } from "./fixtures.ts";
import { hostSites, memoryPair } from "./local-fixtures.ts";
import { parcel } from "./wire-parcel.ts";

const TOKEN = "the-token-of-the-run-and-no-other";
const GUESS = "a-token-of-another-run-altogether";
const OURS = { run: "r1", version: "1", token: TOKEN };
const _LEFT: WireOptions = { ...OURS, name: "left", helloMillis: 5000 };
const folder = mkdtempSync(join(tmpdir(), "auth-hosts-"));
const closing: (() => unknown)[] = [];
beforeAll(openHost);
afterAll(async () => {
  for (const close of closing.reverse()) await close();
  rmSync(folder, { recursive: true });
});

const NO_LIST =
  "tokens and certificates are taken back all at once: a token ends with its run, certificates with their authority";
/* A host's door and its desk. */

const posted: FromHost[] = [];
let order: (message: ToHost) => void;
let address: Address;
let peer: Connection;
let joined: ReadonlyMap<number, Connection>;

async function openHost(): Promise<void> {
  let listening: (place: Address) => void = () => {};
  const heard = new Promise<Address>((resolve) => {
    listening = resolve;
  });
  const network = { kind: "network", listen: { host: "127.0.0.1", port: 0 } } as const;
  const member = new Member(
    {
      ...{
        host: 0,
        names: ["a", "b"],
        folder,
        ...OURS,
        task: {},
        means: { roots: [], threads: 0 },
      },
      meeting: { ...network, advertise: undefined, credentials: undefined, relayed: undefined },
    },
    {
      post: (message) => {
        posted.push(message);
        if (message.type === "listening") listening(message.address as Address);
      },
      onMessage: (handler) => {
        order = handler;
      },
      exit: () => {},
    },
    { meet, storeOf: () => new MemoryStore() },
  );
  const connecting = member.connect();
  address = await heard;
  order({ type: "join", dial: [], peers: 1, addresses: [] });
  peer = await dial(address, { ...OURS, name: "1" });
  joined = await connecting;
  closing.push(() => peer.close());
}

/** The host hangs up on whom it lets in and does not want; it takes what comes from its own peer. */
const hostState = async (): Promise<unknown> => {
  const came = new Promise<void>((resolve) => {
    joined.get(1)!.receive(() => resolve());
  });
  peer.send(parcel("control", {}));
  await came;
  return [[...joined.keys()], posted.filter(({ type }) => type !== "warning")];
};
const knocks = (code: string, by: string, more: Partial<WireOptions>): Trial => ({
  ...{ by, code },
  attempt: async () => {
    const connection = await dial(address, { ...OURS, name: "1", ...more });
    const error = await connection.ended;
    if (error) throw error;
    throw new PangaeaError("CLOSED", "the host hung up");
  },
});
const doorOf = (what: string, name: string, role: Cell, replayed: Cell): Route => ({
  name: what,
  state: hostState,
  cells: {
    "no key": knocks("PEER_REFUSED", "no token", { name, token: "" }),
    "wrong key": knocks("PEER_REFUSED", "another token", { name, token: GUESS }),
    ...{ expired: "a token ends with its run; certificates in the row of TLS", revoked: NO_LIST },
    replayed,
    "other run": knocks("PEER_REFUSED", "another run", { name, run: "r2" }),
    "wrong role": role,
    tampered: knocks("PEER_REFUSED", "another version", { name, version: "2" }),
  },
});

/* What one host's nodes may say to another's. */

const [alpha, beta] = [makeNode("alpha", "peer", 0), makeNode("beta", "peer", 0)];
const RECORDS = messageKind("test.records", "bulk", "records");
const UPDATE = messageKind("test.update", "bulk", "update");
let handled = 0;
const hears =
  (kind: MessageKind): NodeProgram =>
  async (world, scope) => {
    world.network.handle(kind, () => {
      handled++;
    });
    const never = world.condition();
    await never.until(() => false, { what: kind.name, whom: () => [alpha.id] }, scope);
  };
const codeInside = async (running: Promise<unknown>): Promise<void> => {
  try {
    await running;
  } catch (error) {
    throw error instanceof PangaeaError && error.code === "NODE_FAILED" ? error.cause : error;
  }
};
const says = (code: string, by: string, given: object): Trial => ({
  ...{ by, code },
  attempt: async () => {
    const pair = memoryPair();
    const running = hostSites([alpha, beta], pair).run(new Map([[beta, hears(UPDATE)]]));
    const honest = { from: alpha.id, to: beta.id, kind: UPDATE.name, queue: "bulk" } as const;
    pair[0].send({ ...honest, header: {}, payload: [], ...given });
    await codeInside(running);
  },
});
const sendsRecords = (by: string, mayLeave: () => () => boolean): Trial => ({
  ...{ by, code: "RECORDS_STAY" },
  attempt: () => {
    const sends: NodeProgram = async (world) => world.network.send(beta.id, RECORDS, {}, []);
    const options = { recordsMayLeave: mayLeave() };
    const run = hostSites([alpha, beta], memoryPair(), options);
    return codeInside(
      run.run(
        new Map([
          [alpha, sends],
          [beta, hears(RECORDS)],
        ]),
      ),
    );
  },
});
const KNOWN = "the connection has authenticated the host that speaks (rows above)";
const nodes: Route = {
  name: "messages between hosts",
  state: async () => {
    await turn();
    return handled;
  },
  cells: {
    ...{ "no key": KNOWN, "wrong key": KNOWN, expired: KNOWN, revoked: KNOWN, "other run": KNOWN },
    replayed:
      "frames are numbered within a connection, over the relay by chunk (the matrix of NATS); what comes twice of a lossy kind is the algorithm's to bear",
    "wrong role": [
      says("WRONG_SENDER", "for a node of another host", { from: beta.id }),
      says("WRONG_SENDER", "for a node that there is not", { from: "gamma/peer-0" as NodeId }),
      says("WRONG_SENDER", "to a node that is not here", { to: alpha.id }),
      sendsRecords("records, against the policy at the sender", () => () => false),
      sendsRecords("records, from a host that does not keep the policy", () => {
        let asked = 0;
        return () => asked++ === 0;
      }),
    ],
    tampered: says("WRONG_SENDER", "in another queue than its kind's", { queue: "control" }),
  },
};

const PARENT =
  "a thread or child process gets its end of the bus from its parent when it starts, with the parent's rights; nobody else reaches it";
const served: Route = {
  name: "the bus served to threads and processes",
  state: async () => "nothing to reach",
  cells: {
    ...{ "no key": PARENT, "wrong key": PARENT, expired: PARENT, revoked: PARENT },
    ...{ replayed: PARENT, "other run": PARENT, "wrong role": PARENT, tampered: PARENT },
  },
};

testMatrix(
  "hosts",
  [
    doorOf(
      "a host's door",
      "1",
      [
        knocks("CLOSED", "a host that is joined already", { name: "1" }),
        knocks("CLOSED", "a host that the run does not have", { name: "7" }),
        knocks("CLOSED", "a name that is no host's", { name: "somebody" }),
      ],
      "a hello that came again is one of a host that is joined already (cell: wrong role)",
    ),
    doorOf(
      "the desk of a host",
      DESK,
      "the desk is whoever leads the run: who has its token, and beyond loopback a certificate, may take the place of the one before",
      "over TLS nothing can be replayed (row: TLS); on loopback the user's own processes are trusted",
    ),
    nodes,
    served,
  ],
  {
    secrets: () => [TOKEN, GUESS],
    said: () => posted.map((message) => JSON.stringify(message)),
  },
);
