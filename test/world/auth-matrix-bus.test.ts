/**
 * The authentication matrix of what goes over NATS: the connection, orders at an agent's door and in a run, messages to
 * the coordinator, relays, buckets, leases and records. A real nats-server with the account file of `pangaea keys`.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import { connect, type NatsConnection, nkeyAuthenticator } from "@nats-io/transport-node";
import { afterAll, beforeAll } from "vitest";
import { PangaeaError } from "../../src/core/errors.ts";
import { Scope } from "../../src/core/scope.ts";
import { SECOND } from "../../src/core/units.ts";
import { accountFile, createRoleKey, type RoleKey } from "../../src/world/bus/accounts.ts";
import type { Bus, KeyValue } from "../../src/world/bus/contract.ts";
import { type FencedBucket, fenced } from "../../src/world/bus/fence.ts";
import { decodeJson, encodeFrame, encodeJson } from "../../src/world/bus/frame.ts";
import { acquireLease } from "../../src/world/bus/lease.ts";
import { openMembers } from "../../src/world/bus/membership.ts";
import { connectNats } from "../../src/world/bus/nats.ts";
import { orderSigner } from "../../src/world/bus/signed.ts";
import { realTimers } from "../../src/world/bus/timers.ts";
import { Intake } from "../../src/world/cluster/conveyor.ts";
import type { DoorAnswer, Down } from "../../src/world/cluster/orders.ts";
import { RunRecords } from "../../src/world/cluster/record.ts";
import { relay } from "../../src/world/cluster/relay.ts";
import { serveMember } from "../../src/world/cluster/serving.ts";
import { door, down, LEASES, RUNS, up } from "../../src/world/cluster/subjects.ts";
import { toBytes } from "../../src/world/live/portable.ts";
import type { Connection } from "../../src/world/wire/contract.ts";
import { type Route, type Trial, testMatrix } from "./auth-matrix.ts";
import { replayedNonce } from "./auth-matrix-raw.ts";
import { bytes, text, until } from "./bus-contract.ts";
import { type NatsServer, natsOptions, passing, startNats } from "./nats-server.ts";
import { parcel } from "./wire-parcel.ts";

const keys = {
  coordinator: createRoleKey("coordinator"),
  node: createRoleKey("node"),
  observer: createRoleKey("observer"),
};
const stranger = createRoleKey("coordinator");
const revoked = createRoleKey("node");
const TOKEN = "the-token-of-the-run-and-no-other";
const OTHER_TOKEN = "a-token-of-another-run-altogether";
const AGENT = "oregon/agent";
const RUN = "r1";
const deadline = 3 * SECOND;
const timers = realTimers();

let server: NatsServer;
let coordinator: Bus;
let node: Bus;
let observer: Bus;
/** Speaks NATS itself, past what our client would not send. */
const raw: Record<"node" | "observer", NatsConnection> = {} as never;
const said: string[] = [];

const connectAs = (key: RoleKey | undefined, at: Pick<NatsServer, "url"> = server): Promise<Bus> =>
  connectNats(
    natsOptions(at, {
      auth: key && { kind: "nkey", seed: key.seed },
      notify: (notice) => said.push(JSON.stringify(notice)),
    }),
  );
const rawAs = ({ seed, publicKey }: RoleKey): Promise<NatsConnection> =>
  connect({
    servers: `127.0.0.1:${server.port}`,
    authenticator: nkeyAuthenticator(bytes(seed)),
    inboxPrefix: `_INBOX_${publicKey}`,
  });

/** An agent whose hosts only remember what they are told. */
const told: string[] = [];
const leave = new AbortController();
let life = "";
let records: RunRecords;
let leases: KeyValue;
let runs: KeyValue;
let members: KeyValue;
const handedOn: string[] = [];
const FENCED = "fenced";
let fencedBucket: KeyValue;
let former: FencedBucket;
let left: Connection;
const relayed: unknown[] = [];
/** What the server would not let through of what was said past our client. */
const violations = { node: 0, observer: 0 };

beforeAll(async () => {
  server = await startNats(() => `${accountFile(Object.values(keys))}\ndebug: true`);
  [coordinator, node, observer] = await Promise.all([
    connectAs(keys.coordinator),
    connectAs(keys.node),
    connectAs(keys.observer),
  ]);
  [raw.node, raw.observer] = await Promise.all([rawAs(keys.node), rawAs(keys.observer)]);
  for (const role of ["node", "observer"] as const) countViolations(role).catch(() => {});
  members = await openMembers(coordinator);
  leases = await coordinator.kv(LEASES);
  runs = await coordinator.kv(RUNS);
  await leases.put("kept", bytes("right"));
  await runs.put("kept", bytes(TOKEN));
  await members.put("kept", bytes("right"));
  fencedBucket = await coordinator.kv(FENCED);
  former = await fenced(fencedBucket, { epoch: 1, holder: "former" });
  await former.put("kept", bytes("right"));
  await fenced(fencedBucket, { epoch: 2, holder: "present" });
  let there = (): void => {};
  const joined = new Promise<void>((resolve) => {
    there = resolve;
  });
  const serving = serveMember({
    ...{ bus: await connectAs(keys.node), timers, id: AGENT, site: "oregon", roles: ["worker"] },
    ...{ resources: { slots: 1 }, version: "1", address: "", signal: leave.signal },
    coordinatorKey: keys.coordinator.publicKey,
    notify: (line) => {
      said.push(line);
      if (line.includes("is there for runs")) there();
    },
    startHost: async ({ run }) => {
      told.push(`start ${run}`);
      return {
        name: run,
        post: (message) => told.push(`to ${message.type}`),
        kill: () => told.push("kill"),
        ended: new Promise(() => {}),
      };
    },
  });
  await Promise.race([joined, serving]);
  const entry = decodeJson((await members.get(AGENT))!.value);
  ({ life } = (entry as { readonly resources: { readonly life: string } }).resources);
  // A run that the agent serves, led in epoch 5.
  await coordinator.request(door(AGENT), reserve(), { deadline });
  await coordinator.request(
    down(AGENT, RUN),
    order({ type: "start", host: 0, names: [AGENT], token: TOKEN, task: {} }),
    { deadline },
  );
  await until({ pass: passing }, () => told.includes(`start ${RUN}`));
  // Its coordinator's ear.
  const intake = new Intake((message, source) => handedOn.push(`${source} ${text(message)}`));
  await coordinator.serve(up(RUN), (batch) => {
    intake.take(batch);
    return new Uint8Array(0);
  });
  const options = { run: RUN, version: "1", token: TOKEN, helloMillis: 20_000 };
  const [one, right] = await Promise.all([
    relay(await connectAs(keys.node), { ...options, name: "0", peer: "1" }),
    relay(await connectAs(keys.node), { ...options, name: "1", peer: "0" }),
  ]);
  left = one;
  right.receive((each) => relayed.push(each));
  records = await RunRecords.open(coordinator, undefined, 5, {
    ...{ run: RUN, spec: {}, phase: "running", agents: [], hostOf: {}, token: TOKEN },
    ...{ seed: undefined, goAt: [], members: [], leaseMicros: SECOND },
  });
});
afterAll(async () => {
  leave.abort();
  for (const bus of [observer, node, coordinator]) await bus?.close();
  for (const each of Object.values(raw)) await each.close();
  await server?.stop();
});

/* Orders. */

interface Forged {
  readonly seed?: string;
  readonly run?: string;
  readonly role?: string;
  readonly epoch?: number;
  readonly subject?: string;
}

/** One signer a forger, so that numbers grow. */
const signers = new Map<string, ReturnType<typeof orderSigner>>();
function sign(subject: string, data: Uint8Array, forged: Forged = {}): Uint8Array {
  const { seed = keys.coordinator.seed, run = RUN, role = "coordinator", epoch = 5 } = forged;
  const key = [seed, run, role, epoch].join(" ");
  const signer = signers.get(key) ?? orderSigner(seed, { run, role, epoch });
  signers.set(key, signer);
  return signer(forged.subject ?? subject, data);
}
const reserve = (forged: Forged = {}, more: object = {}): Uint8Array => {
  const wanted = {
    type: "reserve",
    life,
    run: forged.run ?? RUN,
    key: stranger.publicKey,
    ...more,
  };
  return sign(door(AGENT), encodeJson(wanted), forged);
};

/** Numbers of the parts that a coordinator has sent to the agent. */
let first = 0;
const batchOf = (message: Uint8Array, source = "coordinator/1"): Uint8Array =>
  encodeFrame({ source, first: first++, parts: [{ flags: 3, bytes: message.length }] }, message);
const order = (what: Down, forged: Forged = {}): Uint8Array =>
  sign(down(AGENT, RUN), batchOf(toBytes(what)), forged);

function flipped(data: Uint8Array): Uint8Array {
  const changed = data.slice();
  changed[changed.length - 3]! ^= 4;
  return changed;
}

const agentState = async (): Promise<unknown> => {
  await turn();
  return [[...told], said.filter((line) => /reserved|run .* over|released/.test(line)).length];
};

const ask =
  (subject: string, data: () => Uint8Array, bus: () => Bus = () => coordinator) =>
  () =>
    bus().request(subject, data(), { deadline });

/** At the door a refusal is an answer. */
const reserved = (data: () => Uint8Array) => async () => {
  const answer = decodeJson(
    await coordinator.request(door(AGENT), data(), { deadline }),
  ) as DoorAnswer;
  if (answer.type === "refused") throw new PangaeaError("REFUSED", answer.why);
};

const cannotConnect = (then: (bus: Bus) => Promise<unknown>): { none: Trial; wrong: Trial } => ({
  none: {
    code: "BUS_UNAUTHENTICATED",
    attempt: async () => then(await connectAs(undefined)),
  },
  wrong: {
    by: "a key that nobody registered",
    code: "BUS_UNAUTHENTICATED",
    attempt: async () => then(await connectAs(stranger)),
  },
});

/** Roles that may not publish there: as a request, and past our client. */
const forbiddenTo = (roles: readonly ("node" | "observer")[], subject: string): readonly Trial[] =>
  roles.flatMap((role): Trial[] => [
    {
      by: `${role} asks`,
      code: "BUS_FORBIDDEN",
      attempt: ask(
        subject,
        () => bytes("x"),
        () => (role === "node" ? node : observer),
      ),
    },
  ]);
const notHeardBy = (
  role: "node" | "observer",
  subject: string,
  how: "subscribe" | "serve",
): Trial => ({
  by: `${role} wants to ${how}`,
  code: "BUS_FORBIDDEN",
  attempt: async () => {
    const bus = role === "node" ? node : observer;
    await (how === "serve"
      ? bus.serve(subject, () => bytes("stolen"))
      : bus.subscribe(subject, () => {}));
  },
});

function orderRoute(
  name: string,
  subject: string,
  make: (forged?: Forged) => Uint8Array,
  asked: (data: () => Uint8Array) => () => Promise<unknown>,
): Route {
  const { none, wrong } = cannotConnect((bus) => bus.request(subject, make(), { deadline }));
  const trial = (by: string, code: string, data: () => Uint8Array): Trial => ({
    by,
    code,
    attempt: asked(data),
  });
  return {
    name,
    state: agentState,
    cells: {
      "no key": [
        none,
        trial("no signature", "BUS_UNSIGNED", () =>
          encodeFrame(
            { run: RUN, role: "coordinator", subject, epoch: 5, number: 10_000 },
            bytes("x"),
          ),
        ),
      ],
      "wrong key": [
        wrong,
        trial("signed by another", "BUS_UNSIGNED", () => make({ seed: stranger.seed })),
        trial("signed by a node", "BUS_UNSIGNED", () => make({ seed: keys.node.seed })),
      ],
      expired: trial("an epoch that is over", "STALE_EPOCH", () => make({ epoch: 4 })),
      revoked: name.includes("door")
        ? trial("for an earlier life", "REFUSED", () => reserve({}, { life: "earlier" }))
        : "a key is revoked at the server (row: connection); an order, by a later epoch (cell: expired)",
      replayed: {
        code: "BUS_REPLAYED",
        attempt: async () => {
          // Of a kind that changes nothing here, so that only the second one could.
          const once = name.includes("door")
            ? reserve()
            : sign(subject, batchOf(toBytes({ type: "attach" } satisfies Down)));
          await coordinator.request(subject, once, { deadline });
          await asked(() => once)();
        },
      },
      "other run": [
        trial("signed for it", "BUS_UNSIGNED", () => {
          const data = make({ run: "r2" });
          return name.includes("door") ? renamed(data, "r2", RUN) : data;
        }),
        trial("at another subject", "BUS_UNSIGNED", () => make({ subject: down(AGENT, "r2") })),
      ],
      "wrong role": [
        ...forbiddenTo(["node", "observer"], subject),
        notHeardBy("observer", subject, "serve"),
        notHeardBy("observer", subject, "subscribe"),
        trial("signed as a node", "BUS_UNSIGNED", () => make({ role: "node" })),
      ],
      tampered: trial("a bit of the text", "BUS_UNSIGNED", () => flipped(make())),
    },
  };
}

/** The frame's header names another run than was signed. */
const renamed = (data: Uint8Array, from: string, to: string): Uint8Array => {
  const at = new TextDecoder("latin1").decode(data).indexOf(`"run":"${from}"`) + 7;
  const changed = data.slice();
  changed.set(bytes(to), at);
  return changed;
};

const ORDERS: readonly Down[] = [
  { type: "start", host: 0, names: [AGENT], token: OTHER_TOKEN, task: {} },
  { type: "to", message: { type: "stop", reason: "forged" } },
  { type: "attach" },
  { type: "kill" },
  { type: "release" },
];

const doorRoute = orderRoute("an agent's door: reserve", door(AGENT), reserve, reserved);
const orderRoutes: readonly Route[] = [
  {
    ...doorRoute,
    cells: {
      ...doorRoute.cells,
      replayed: [
        ...[doorRoute.cells.replayed as Trial],
        {
          by: "after it was refused for want of a slot",
          code: "BUS_REPLAYED",
          attempt: async () => {
            const late = reserve({ run: "late" });
            await reserved(() => late)().catch(() => {});
            await reserved(() => late)();
          },
        },
      ],
    },
  },
  ...ORDERS.map((what) =>
    orderRoute(
      `orders of a run: ${what.type}`,
      down(AGENT, RUN),
      (forged) => order(what, forged),
      (data) => ask(down(AGENT, RUN), data),
    ),
  ),
];

/* The connection itself. */

const connection: Route = {
  name: "the connection to NATS",
  state: async () => [await leases.keys(), await runs.keys()],
  cells: {
    "no key": { code: "BUS_UNAUTHENTICATED", attempt: () => connectAs(undefined) },
    "wrong key": [
      { by: "nobody's", code: "BUS_UNAUTHENTICATED", attempt: () => connectAs(stranger) },
      {
        by: "a public key",
        code: "BUS_CREDENTIALS",
        attempt: () => connectAs({ ...keys.node, seed: keys.node.publicKey }),
      },
    ],
    expired:
      "keys of an account file do not expire: they are taken out of it (cell: revoked); certificates do (the matrix of the data plane)",
    revoked: {
      code: "BUS_UNAUTHENTICATED",
      attempt: async () => {
        const other = await startNats(() => accountFile([keys.coordinator, revoked]));
        try {
          await (await connectAs(revoked, other)).close();
          const file = join(other.folder, "server.conf");
          const lines = readFileSync(file, "utf8");
          writeFileSync(file, lines.replaceAll(revoked.publicKey, keys.node.publicKey));
          await other.kill();
          await other.restart();
          await connectAs(revoked, other);
        } finally {
          await other.stop();
        }
      },
    },
    replayed: {
      code: "AUTHORIZATION_VIOLATION",
      attempt: () => replayedNonce(server.port, keys.node, "again"),
    },
    "other run":
      "a key is of a role; runs are told apart by what is signed and by the token (rows: orders, relays)",
    "wrong role": "what a role may do is in the rows of subjects and buckets",
    tampered: [
      {
        by: "the signature",
        code: "AUTHORIZATION_VIOLATION",
        attempt: () => replayedNonce(server.port, keys.node, "flipped"),
      },
      {
        by: "the seed",
        code: "BUS_CREDENTIALS",
        attempt: () => connectAs({ ...keys.node, seed: `${keys.node.seed.slice(0, -1)}0` }),
      },
    ],
  },
};

/* What agents tell the coordinator. */

const upCannot = cannotConnect((bus) =>
  bus.request(up(RUN), batchOf(bytes("x"), "a/1"), { deadline }),
);
const messages: Route = {
  name: "messages to the coordinator",
  state: async () => [...handedOn],
  cells: {
    "no key": upCannot.none,
    "wrong key": upCannot.wrong,
    expired:
      "of an agent whose life is over nobody waits: its messages are handed to no hand (test/run/cluster.test.ts)",
    revoked: "a key is revoked at the server (row: connection)",
    replayed: {
      code: "HANDED_ON_ONCE",
      attempt: async () => {
        const batch = encodeFrame(
          { source: "known/1", first: 0, parts: [{ flags: 3, bytes: 1 }] },
          bytes("x"),
        );
        await node.request(up(RUN), batch, { deadline });
        const before = handedOn.length;
        await node.request(up(RUN), batch, { deadline });
        if (handedOn.length !== before) return;
        handedOn.pop();
        throw new PangaeaError("HANDED_ON_ONCE", "acknowledged, and not handed on again");
      },
    },
    "other run": {
      code: "BUS_NO_RESPONDERS",
      attempt: ask(
        up("r2"),
        () => batchOf(bytes("x"), "a/1"),
        () => node,
      ),
    },
    "wrong role": [
      ...forbiddenTo(["observer"], up(RUN)),
      notHeardBy("observer", up(RUN), "serve"),
      notHeardBy("node", up(RUN), "serve"),
      notHeardBy("node", up(RUN), "subscribe"),
      {
        by: "observer answers what it hears",
        code: "HEARD_AND_NOT_ANSWERED",
        attempt: async () => {
          let heard = 0;
          const hearing = raw.observer.subscribe(up("r3"), {
            callback: (_, message) => {
              heard++;
              message.respond("stolen");
            },
          });
          await raw.observer.flush();
          const asked = raw.node.request(up("r3"), "x", { timeout: 250 });
          const answer = await asked.then(
            (message) => message.string(),
            () => undefined,
          );
          hearing.unsubscribe();
          if (heard > 0 && answer === undefined)
            throw new PangaeaError("HEARD_AND_NOT_ANSWERED", "the reply was not let through");
        },
      },
    ],
    tampered: [
      {
        by: "no frame",
        code: "BUS_BAD_MESSAGE",
        attempt: ask(
          up(RUN),
          () => bytes("x"),
          () => node,
        ),
      },
      {
        by: "no number",
        code: "BUS_BAD_MESSAGE",
        attempt: ask(
          up(RUN),
          () => encodeFrame({ source: "a/1", parts: [] }),
          () => node,
        ),
      },
    ],
  },
};

/* Relays between hosts. */

let honest = 0;
async function sendOne(): Promise<void> {
  left.send(parcel("control", {}, [new Uint8Array(64)]));
  honest++;
  await until({ pass: passing }, () => relayed.length >= honest);
}

const hello = (more: object): Uint8Array =>
  encodeFrame({ name: "0", run: RUN, version: "1", token: TOKEN, session: "0-0-0-0", ...more });
const greeting = `pangaea.peer.${RUN}.0.1.hello`;
const greets = (by: string, make: () => Uint8Array): Trial => ({
  by,
  code: "PEER_REFUSED",
  attempt: ask(greeting, make, () => node),
});
const peerCannot = cannotConnect((bus) => bus.request(greeting, hello({}), { deadline }));
const relays: Route = {
  name: "a relay between hosts",
  // What came beyond what the honest end has sent; and the connection lives.
  state: async () => {
    await sendOne();
    return relayed.length - honest;
  },
  cells: {
    "no key": [peerCannot.none, greets("no token", () => hello({ token: undefined }))],
    "wrong key": [peerCannot.wrong, greets("another token", () => hello({ token: OTHER_TOKEN }))],
    expired:
      "a token ends with its run: nobody hears the subjects of a run that is over (cell: other run)",
    revoked: "a key is revoked at the server (row: connection); a token ends with its run",
    replayed: {
      by: "a chunk",
      code: "TAKEN_ONCE",
      attempt: async () => {
        const chunks: { readonly subject: string; readonly data: Uint8Array }[] = [];
        const tap = await node.subscribe(
          `pangaea.peer.${RUN}.0.1`,
          (data, subject) => chunks.push({ subject, data }),
          { below: true },
        );
        await sendOne();
        tap.close();
        const chunk = chunks.find(({ data }) => data.length > 20 && data[1] !== 255)!;
        await node.request(chunk.subject, chunk.data, { deadline });
        await sendOne();
        if (relayed.length === honest)
          throw new PangaeaError("TAKEN_ONCE", "acknowledged, and not taken again");
      },
    },
    "other run": [
      greets("said", () => hello({ run: "r2" })),
      {
        by: "asked there",
        code: "BUS_NO_RESPONDERS",
        attempt: ask(
          "pangaea.peer.r2.0.1.hello",
          () => hello({ run: "r2" }),
          () => node,
        ),
      },
    ],
    "wrong role": [
      ...forbiddenTo(["observer"], greeting),
      notHeardBy("observer", greeting, "subscribe"),
      notHeardBy("observer", greeting, "serve"),
      greets("another host's name", () => hello({ name: "2" })),
    ],
    tampered: [
      greets("no hello", () => bytes("x")),
      greets("another version", () => hello({ version: "2" })),
      greets("no session", () => hello({ session: 7 })),
    ],
  },
};

/* Buckets. */

const content = async (kv: KeyValue): Promise<unknown> => {
  const found = [];
  for (const key of await kv.keys())
    if (key !== AGENT) found.push([key, text((await kv.get(key))?.value)]);
  return found;
};

async function countViolations(role: "node" | "observer"): Promise<void> {
  for await (const status of raw[role].status())
    if (status.type === "error" && /permissions violation/i.test(String(status.error)))
      violations[role]++;
}

/** Publishes past our client; rejects with FORBIDDEN where the server refuses it. */
async function rawly(role: "node" | "observer", subject: string, body = "x"): Promise<void> {
  const before = violations[role];
  raw[role].publish(subject, bytes(body));
  await raw[role].flush();
  await turn();
  if (violations[role] > before) throw new PangaeaError("FORBIDDEN", `${subject}, by the server`);
}
const adminRequests = (bucket: string): readonly string[] => [
  `$JS.API.STREAM.DELETE.KV_${bucket}`,
  `$JS.API.STREAM.PURGE.KV_${bucket}`,
  `$JS.API.STREAM.UPDATE.KV_${bucket}`,
  `$JS.API.STREAM.MSG.DELETE.KV_${bucket}`,
  `$JS.API.STREAM.SNAPSHOT.KV_${bucket}`,
  `$JS.API.STREAM.RESTORE.KV_${bucket}`,
];

function bucketRoute(
  bucket: string,
  kv: () => KeyValue,
  writers: readonly ("node" | "observer")[],
  rest: Partial<Route["cells"]>,
): Route {
  const { none, wrong } = cannotConnect(async (bus) =>
    (await bus.kv(bucket)).put("kept", bytes("wrong")),
  );
  const ttlSeconds = bucket === "members" ? 300 : undefined;
  const strangers = (["node", "observer"] as const).filter((role) => !writers.includes(role));
  const of = (role: "node" | "observer"): Bus => (role === "node" ? node : observer);
  const trials = strangers.flatMap((role): Trial[] => {
    // An observer may not read the records of runs, and so cannot open a watch there; it writes all the same or not.
    const opened = (): Promise<KeyValue> => of(role).kv(bucket, { ttlSeconds });
    return [
      {
        by: `${role} puts`,
        code: "BUS_FORBIDDEN",
        attempt: async () => (await opened()).put("kept", bytes("wrong")),
      },
      {
        by: `${role} creates`,
        code: "BUS_FORBIDDEN",
        attempt: async () => (await opened()).create("new", bytes("wrong")),
      },
      {
        by: `${role} deletes`,
        code: "BUS_FORBIDDEN",
        attempt: async () => (await opened()).delete("kept"),
      },
      {
        by: `${role} publishes past the client`,
        code: "FORBIDDEN",
        attempt: () => rawly(role, `$KV.${bucket}.kept`),
      },
      {
        by: `${role} publishes by way of another domain`,
        code: "FORBIDDEN",
        attempt: () => rawly(role, `$JS.hub.API.$KV.${bucket}.kept`),
      },
    ];
  });
  const admins = (["node", "observer"] as const).flatMap((role) =>
    adminRequests(bucket).map(
      (subject): Trial => ({
        by: `${role} ${subject.split(".").slice(2, -1).join(" ").toLowerCase()}`,
        code: "FORBIDDEN",
        attempt: () => rawly(role, subject, "{}"),
      }),
    ),
  );
  const deliveries = (["node", "observer"] as const).map(
    (role): Trial => ({
      by: `${role} has another bucket delivered here`,
      code: "NOT_STORED",
      attempt: async () => {
        const from = bucket === "members" ? "leases" : "members";
        const config = { deliver_subject: `$KV.${bucket}.kept`, ack_policy: "none" };
        const request = JSON.stringify({ stream_name: `KV_${from}`, config });
        const before = await kv().revision();
        await raw[role].request(`$JS.API.CONSUMER.CREATE.KV_${from}`, request);
        await passing();
        await passing();
        if (bucket === "members" || (await kv().revision()) === before)
          throw new PangaeaError("NOT_STORED", "what is delivered there is not written");
      },
    }),
  );
  return {
    name: `bucket ${bucket}`,
    state: () => content(kv()),
    cells: {
      "no key": none,
      "wrong key": wrong,
      expired:
        "a member's entry is its own to renew; who is silent is suspected (test/world/bus-membership.test.ts)",
      revoked: "a key is revoked at the server (row: connection)",
      replayed: {
        by: "a write against the revision before",
        code: "BUS_CONFLICT",
        attempt: async () =>
          kv().update("kept", bytes("again"), ((await kv().get("kept"))?.revision ?? 0) - 1 || 1e6),
      },
      "other run":
        "a key of a bucket is one run's or one member's; only the roles of the cell 'wrong role' write there",
      "wrong role": [...trials, ...admins, ...deliveries],
      tampered:
        "what a permitted role writes is believed: members by node keys, the rest by the coordinator's alone",
      ...rest,
    },
  };
}

const lease = async (holder: string) =>
  acquireLease(leases, "r9", { timers, holder, durationMicros: 60 * SECOND }, new Scope());

const buckets: readonly Route[] = [
  bucketRoute("members", () => members, ["node"], {}),
  bucketRoute(LEASES, () => leases, [], {
    expired: {
      by: "a holder whose lease another has taken",
      code: "BUS_CONFLICT",
      attempt: async () => {
        const old = await lease("old");
        const { revision } = (await leases.get("r9"))!;
        await old.release();
        const later = await lease("later");
        try {
          await leases.update(
            "r9",
            encodeJson({ epoch: 99, holder: "old", beat: 1, durationMicros: 1 }),
            revision,
          );
        } finally {
          await later.release();
          await leases.delete("r9");
        }
      },
    },
  }),
  bucketRoute(RUNS, () => runs, [], {
    expired: {
      by: "the record, by a coordinator of an earlier epoch",
      code: "STALE_EPOCH",
      attempt: () => RunRecords.open(coordinator, undefined, 4, records.record),
    },
    "other run": [
      {
        by: "an observer reads the token in a run's record",
        code: "BUS_FORBIDDEN",
        attempt: async () => (await observer.kv(RUNS)).get(RUN),
      },
      {
        by: "an observer watches the records under another bucket's name",
        code: "FORBIDDEN",
        attempt: async () => {
          const config = { deliver_subject: `_INBOX_${keys.observer.publicKey}.all` };
          const request = JSON.stringify({ stream_name: `KV_${RUNS}`, config });
          const answer = await raw.observer.request("$JS.API.CONSUMER.CREATE.KV_members", request);
          if (/"error"/.test(answer.string())) throw new PangaeaError("FORBIDDEN", "by the server");
        },
      },
    ],
  }),
  bucketRoute(FENCED, () => fencedBucket, [], {
    expired: [
      {
        by: "a write of the holder before",
        code: "STALE_EPOCH",
        attempt: () => former.put("kept", bytes("late")),
      },
      {
        by: "a claim of the holder before",
        code: "STALE_EPOCH",
        attempt: () => fenced(fencedBucket, { epoch: 1, holder: "former" }),
      },
    ],
  }),
];

testMatrix("what goes over NATS", [connection, ...orderRoutes, messages, relays, ...buckets], {
  secrets: () => [
    ...[...Object.values(keys), stranger, revoked].map(({ seed }) => seed),
    ...[TOKEN, OTHER_TOKEN],
  ],
  said: () => [...said, server.log()],
});
