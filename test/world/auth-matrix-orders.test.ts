/** The authentication matrix of the connection to NATS, and of orders: at an agent's door, and in a run. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import { afterAll, beforeAll } from "vitest";
import { PangaeaError } from "../../src/core/errors.ts";
import { accountFile } from "../../src/world/bus/accounts.ts";
import { decodeJson, encodeFrame, encodeJson } from "../../src/world/bus/frame.ts";
import { openMembers } from "../../src/world/bus/membership.ts";
import { orderSigner } from "../../src/world/bus/signed.ts";
import type { DoorAnswer, Down } from "../../src/world/cluster/orders.ts";
import { serveMember } from "../../src/world/cluster/serving.ts";
import { door, down, LEASES } from "../../src/world/cluster/subjects.ts";
import { toBytes } from "../../src/world/live/portable.ts";
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
  notHeardBy,
  OTHER_TOKEN,
  openNats,
  RUN,
  revoked,
  said,
  server,
  shownOverNats,
  stranger,
  TOKEN,
  timers,
} from "./auth-matrix-nats.ts";
import { replayedNonce } from "./auth-matrix-raw.ts";
import { bytes, until } from "./bus-contract.ts";
import { passing, startNats } from "./nats-server.ts";

/** An agent whose hosts only remember what they are told. */
const told: string[] = [];
const leave = new AbortController();
let life = "";
let close = async (): Promise<void> => {};

beforeAll(async () => {
  close = await openNats();
  // As the coordinator does before it reserves anybody: agents make no bucket.
  await openMembers(coordinator);
  await coordinator.kv(LEASES);
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
  const entry = decodeJson((await (await openMembers(coordinator)).get(AGENT))!.value);
  ({ life } = (entry as { readonly resources: { readonly life: string } }).resources);
  // A run that the agent serves, led in epoch 5.
  await coordinator.request(door(AGENT), reserve(), { deadline });
  await coordinator.request(
    down(AGENT, RUN),
    order({ type: "start", host: 0, names: [AGENT], token: TOKEN, task: {} }),
    { deadline },
  );
  await until({ pass: passing }, () => told.includes(`start ${RUN}`));
});
afterAll(async () => {
  leave.abort();
  await close();
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

/** At the door a refusal is an answer. */
const reserved = (data: () => Uint8Array) => async () => {
  const answer = decodeJson(
    await coordinator.request(door(AGENT), data(), { deadline }),
  ) as DoorAnswer;
  if (answer.type === "refused") throw new PangaeaError("REFUSED", answer.why);
};

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
  state: agentState,
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

testMatrix("the connection to NATS, and orders", [connection, ...orderRoutes], shownOverNats);
