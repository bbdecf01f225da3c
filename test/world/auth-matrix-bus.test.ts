import { afterAll, beforeAll } from "vitest";
import { PangaeaError } from "../../src/core/errors.ts";
import { Scope } from "../../src/core/scope.ts";
import { SECOND } from "../../src/core/units.ts";
import { openBlobs } from "../../src/world/bus/blobs.ts";
import { bucketsOfRun, SHARED_SECONDS } from "../../src/world/bus/buckets.ts";
import type { Bus, KeyValue } from "../../src/world/bus/contract.ts";
import { type FencedBucket, fenced } from "../../src/world/bus/fence.ts";
import { encodeFrame, encodeJson } from "../../src/world/bus/frame.ts";
import { acquireLease } from "../../src/world/bus/lease.ts";
import { openMembers } from "../../src/world/bus/membership.ts";
import { RUN_FILES } from "../../src/world/bus/names.ts";
import { listed, takeFile } from "../../src/world/bus/run-files.ts";
import { Intake } from "../../src/world/cluster/conveyor.ts";
import { RunRecords } from "../../src/world/cluster/record.ts";
import { relay } from "../../src/world/cluster/relay.ts";
import { LEASES, RUNS, up } from "../../src/world/cluster/subjects.ts";
import type { Connection } from "../../src/world/wire/contract.ts";
import { type Route, type Trial, testMatrix } from "./auth-matrix.ts";
import {
  AGENT,
  ask,
  batchOf,
  cannotConnect,
  connectAs,
  coordinator,
  deadline,
  forbiddenTo,
  keys,
  node,
  notHeardBy,
  OTHER_TOKEN,
  observer,
  openNats,
  RUN,
  raw,
  rawly,
  shownOverNats,
  TOKEN,
  timers,
} from "./auth-matrix-nats.ts";
import { bytes, text, until } from "./bus-contract.ts";
import { passing } from "./nats-server.ts";
import { parcel } from "./wire-parcel.ts";

/** Of the present coordinator. */
const EPOCH = 5;
let records: RunRecords;
let leases: KeyValue;
let runs: KeyValue;
let runFiles: KeyValue;
let members: KeyValue;
const handedOn: string[] = [];
const FENCED = "fenced";
let fencedBucket: KeyValue;
let former: FencedBucket;
let left: Connection;
const relayed: unknown[] = [];
let close = async (): Promise<void> => {};

beforeAll(async () => {
  close = await openNats();
  members = await openMembers(coordinator);
  leases = await coordinator.kv(LEASES);
  runs = await coordinator.kv(RUNS);
  runFiles = await coordinator.kv(RUN_FILES, { ttlSeconds: SHARED_SECONDS });
  await runFiles.put("kept", bytes("right"));
  await leases.put("kept", bytes("right"));
  await runs.put("kept", bytes(TOKEN));
  await members.put("kept", bytes("right"));
  fencedBucket = await coordinator.kv(FENCED);
  former = await fenced(fencedBucket, { epoch: 1, holder: "former" });
  await former.put("kept", bytes("right"));
  await fenced(fencedBucket, { epoch: 2, holder: "present" });
  // Its coordinator's ear.
  const intake = new Intake((message, source) => handedOn.push(`${source} ${text(message)}`));
  await coordinator.serve(up(RUN, EPOCH), (batch) => {
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
  records = await RunRecords.open(coordinator, undefined, EPOCH, {
    ...{ run: RUN, spec: {}, phase: "running", agents: [], hostOf: {}, token: TOKEN },
    ...{ seed: undefined, goAt: [], members: [], leaseMicros: SECOND },
  });
});
afterAll(() => close());

/* What agents tell the coordinator. */

const upCannot = cannotConnect((bus) =>
  bus.request(up(RUN, EPOCH), batchOf(bytes("x"), "a/1"), { deadline }),
);
const messages: Route = {
  name: "messages to the coordinator",
  state: async () => [...handedOn],
  cells: {
    "no key": upCannot.none,
    "wrong key": upCannot.wrong,
    expired: {
      by: "for a coordinator whose epoch is over",
      code: "BUS_NO_RESPONDERS",
      attempt: ask(
        up(RUN, EPOCH - 1),
        () => batchOf(bytes("x"), "a/1"),
        () => node,
      ),
    },
    revoked: "a key is revoked at the server (row: connection)",
    replayed: {
      code: "HANDED_ON_ONCE",
      attempt: async () => {
        const batch = encodeFrame(
          { source: "known/1", first: 0, parts: [{ flags: 3, bytes: 1 }] },
          bytes("x"),
        );
        await node.request(up(RUN, EPOCH), batch, { deadline });
        const before = handedOn.length;
        await node.request(up(RUN, EPOCH), batch, { deadline });
        if (handedOn.length !== before) return;
        handedOn.pop();
        throw new PangaeaError("HANDED_ON_ONCE", "acknowledged, and not handed on again");
      },
    },
    "other run": {
      code: "BUS_NO_RESPONDERS",
      attempt: ask(
        up("r2", EPOCH),
        () => batchOf(bytes("x"), "a/1"),
        () => node,
      ),
    },
    "wrong role": [
      ...forbiddenTo(["observer"], up(RUN, EPOCH)),
      notHeardBy("observer", up(RUN, EPOCH), "serve"),
      notHeardBy("node", up(RUN, EPOCH), "serve"),
      notHeardBy("node", up(RUN, EPOCH), "subscribe"),
      {
        by: "observer answers what it hears",
        code: "HEARD_AND_NOT_ANSWERED",
        attempt: async () => {
          let heard = 0;
          const hearing = raw.observer.subscribe(up("r3", EPOCH), {
            callback: (_, message) => {
              heard++;
              message.respond("stolen");
            },
          });
          await raw.observer.flush();
          const asked = raw.node.request(up("r3", EPOCH), "x", { timeout: 250 });
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
          up(RUN, EPOCH),
          () => bytes("x"),
          () => node,
        ),
      },
      {
        by: "no number",
        code: "BUS_BAD_MESSAGE",
        attempt: ask(
          up(RUN, EPOCH),
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

const adminRequests = (bucket: string): readonly string[] => [
  // A bucket may be made so that it is republished into another.
  `$JS.API.STREAM.CREATE.KV_${bucket}`,
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
  const ttlSeconds = { members: 300, [RUN_FILES]: SHARED_SECONDS }[bucket];
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
        if ((await kv().revision()) === before)
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

const observerFiles = (): Promise<KeyValue> =>
  observer.kv(RUN_FILES, { ttlSeconds: SHARED_SECONDS });

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
  bucketRoute(RUN_FILES, () => runFiles, [], {
    expired: "what nobody has written for an hour is gone; a run that is led writes it anew",
    "other run": {
      by: "an observer reads a run's files",
      code: "BUS_FORBIDDEN",
      attempt: async () => (await observerFiles()).get("kept"),
    },
    tampered: {
      by: "a file that is whole, and not that of the signed order",
      code: "RUN_FILE_CHANGED",
      attempt: async () => {
        const [file] = (await listed(new Map([["grid.yaml", bytes("right")]]))).list;
        const own = bucketsOfRun(coordinator, RUN);
        const blobs = await openBlobs(own, RUN_FILES);
        await blobs.put(file!.sha256, bytes("wrong"));
        await takeFile(file!, bucketsOfRun(node, RUN)).finally(() => blobs.delete(file!.sha256));
      },
    },
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

testMatrix("messages, relays and buckets on NATS", [messages, relays, ...buckets], shownOverNats);
