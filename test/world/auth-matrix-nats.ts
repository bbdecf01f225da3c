import { setImmediate as turn } from "node:timers/promises";
import { connect, type NatsConnection, nkeyAuthenticator } from "@nats-io/transport-node";
import { PangaeaError } from "../../src/core/errors.ts";
import { SECOND } from "../../src/core/units.ts";
import { accountFile, createRoleKey, type RoleKey } from "../../src/world/bus/accounts.ts";
import type { Bus } from "../../src/world/bus/contract.ts";
import { encodeFrame } from "../../src/world/bus/frame.ts";
import { connectNats } from "../../src/world/bus/nats.ts";
import { realTimers } from "../../src/world/bus/timers.ts";
import type { Secrets, Trial } from "./auth-matrix.ts";
import { bytes } from "./bus-contract.ts";
import { type NatsServer, natsOptions, startNats } from "./nats-server.ts";

export const keys = {
  coordinator: createRoleKey("coordinator"),
  node: createRoleKey("node"),
  observer: createRoleKey("observer"),
};
export const stranger = createRoleKey("coordinator");
export const revoked = createRoleKey("node");
export const TOKEN = "the-token-of-the-run-and-no-other";
export const OTHER_TOKEN = "a-token-of-another-run-altogether";
export const AGENT = "oregon/agent";
export const RUN = "r1";
export const deadline = 3 * SECOND;
export const timers = realTimers();

export let server: NatsServer;
export let coordinator: Bus;
export let node: Bus;
export let observer: Bus;
/** Speaks NATS itself, past what our client would not send. */
export const raw: Record<"node" | "observer", NatsConnection> = {} as never;
export const said: string[] = [];

export const connectAs = (
  key: RoleKey | undefined,
  at: Pick<NatsServer, "url"> = server,
): Promise<Bus> =>
  connectNats(
    natsOptions(at, {
      auth: key && { kind: "nkey", seed: key.seed },
      notify: (notice) => said.push(JSON.stringify(notice)),
    }),
  );
export const rawAs = ({ seed, publicKey }: RoleKey): Promise<NatsConnection> =>
  connect({
    servers: `127.0.0.1:${server.port}`,
    authenticator: nkeyAuthenticator(bytes(seed)),
    inboxPrefix: `_INBOX_${publicKey}`,
  });

/** What the server would not let through of what was said past our client. */
const violations = { node: 0, observer: 0 };

/** Called before the tests of a file; the answer ends it. */
export async function openNats(): Promise<() => Promise<void>> {
  server = await startNats(() => `${accountFile(Object.values(keys))}\ndebug: true`);
  [coordinator, node, observer] = await Promise.all([
    connectAs(keys.coordinator),
    connectAs(keys.node),
    connectAs(keys.observer),
  ]);
  [raw.node, raw.observer] = await Promise.all([rawAs(keys.node), rawAs(keys.observer)]);
  for (const role of ["node", "observer"] as const) countViolations(role).catch(() => {});
  return async () => {
    for (const bus of [observer, node, coordinator]) await bus.close();
    for (const each of Object.values(raw)) await each.close();
    await server.stop();
  };
}

/** For `testMatrix`. */
export const shownOverNats: Secrets = {
  secrets: () => [
    ...[...Object.values(keys), stranger, revoked].map(({ seed }) => seed),
    ...[TOKEN, OTHER_TOKEN],
  ],
  said: () => [...said, server.log()],
};

export async function countViolations(role: "node" | "observer"): Promise<void> {
  for await (const status of raw[role].status())
    if (status.type === "error" && /permissions violation/i.test(String(status.error)))
      violations[role]++;
}

/** Publishes past our client; rejects with FORBIDDEN where the server refuses it. */
export async function rawly(role: "node" | "observer", subject: string, body = "x"): Promise<void> {
  const before = violations[role];
  raw[role].publish(subject, bytes(body));
  await raw[role].flush();
  await turn();
  if (violations[role] > before) throw new PangaeaError("FORBIDDEN", `${subject}, by the server`);
}
/** Numbers of the parts that a coordinator has sent to the agent. */
export let first = 0;
export const batchOf = (message: Uint8Array, source = "coordinator/1"): Uint8Array =>
  encodeFrame({ source, first: first++, parts: [{ flags: 3, bytes: message.length }] }, message);

export const ask =
  (subject: string, data: () => Uint8Array, bus: () => Bus = () => coordinator) =>
  () =>
    bus().request(subject, data(), { deadline });

export const cannotConnect = (
  then: (bus: Bus) => Promise<unknown>,
): { none: Trial; wrong: Trial } => ({
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
export const forbiddenTo = (
  roles: readonly ("node" | "observer")[],
  subject: string,
): readonly Trial[] =>
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
export const notHeardBy = (
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
