/**
 * A page that joins over TLS: NATS's WebSocket has a certificate of an authority of ours, which this Chromium's user has
 * been told to trust, and no other check of it is switched off (needs `npm run build` before).
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { VERSION } from "../../src/browser/version.ts";
import { openMembers } from "../../src/world/bus/membership.ts";
import { connectNats } from "../../src/world/bus/nats.ts";
import { type Agents, agents } from "../run/agents.ts";
import { createAuthority } from "../world/certificates.ts";
import { natsOptions } from "../world/nats-server.ts";
import { clocksOf, DATA, digits, KEYS, run, type WebNats, webNats } from "./node-fixtures.ts";
import { type OpenPage, openPage } from "./serve.ts";

const authority = createAuthority();
const tls = authority.issue("localhost");
const { seed, publicKey } = KEYS.coordinator;
let home: string;
let nats: WebNats;
let node: Agents;
let open: OpenPage;

/** A home whose user trusts the authority, as Chromium reads it (NSS). */
async function trusting(ca: string): Promise<string> {
  const path = "../../scripts/test-prerequisites.mjs";
  const { findCertutil } = (await import(path)) as { findCertutil: () => string | undefined };
  const certutil = findCertutil();
  if (!certutil) throw new Error("no certutil: node scripts/test-prerequisites.mjs installs it");
  const folder = mkdtempSync(join(tmpdir(), "pangaea-home-"));
  const database = join(folder, ".pki/nssdb");
  mkdirSync(database, { recursive: true });
  writeFileSync(join(folder, "ca.crt"), ca);
  const nss = (...words: readonly string[]): unknown =>
    execFileSync(certutil, ["-d", `sql:${database}`, ...words], { stdio: "pipe" });
  nss("-N", "--empty-password");
  nss("-A", "-n", "ours", "-t", "C,,", "-i", join(folder, "ca.crt"));
  return folder;
}

beforeAll(async () => {
  nats = await webNats(tls);
  const leader = await connectNats(natsOptions(nats.server, { auth: { kind: "nkey", seed } }));
  await openMembers(leader);
  await leader.close();
  node = await agents(nats.server, { kind: "nkey", seed: KEYS.node.seed });
  await node.start("site-0", {
    ...{ id: "node", version: VERSION, coordinatorKey: publicKey },
    means: { roots: [DATA], threads: 0 },
    relayed: { servers: [nats.server.url], seed: KEYS.node.seed, tls: undefined },
  });
  home = await trusting(tls.ca);
  open = await openPage([], { "/data/": DATA }, home);
}, 60_000);
afterAll(async () => {
  await open?.close();
  await node?.stop();
  await nats?.server.stop();
  if (home) rmSync(home, { recursive: true, force: true });
});

/** How a connection to the address begins, as the browser tells pages. */
const knock = (page: Page, address: string): Promise<unknown> =>
  page.evaluate(`new Promise((resolve) => {
    const socket = new WebSocket(${JSON.stringify(address)});
    socket.onopen = () => { socket.close(); resolve("open"); };
    socket.onerror = () => resolve("refused");
  })`);

test("a page joins over wss and works in a run", async () => {
  const options = {
    ...{ nats: nats.web, site: "site-0", id: "page", seed: KEYS.node.seed },
    ...{ coordinatorKey: publicKey, files: new URL("/data/", open.page.url()).href },
  };
  const within = (call: string): Promise<unknown> =>
    open.page.evaluate(`import("/test/browser/node-page.js").then(({ join, leave }) => ${call})`);
  expect(nats.web).toMatch(/^wss:/);
  await within(`join(${JSON.stringify(options)})`);
  const ran = await run(digits(nats.server.url, { stop: { maxClocks: 10 } }));
  expect(ran.outcome.reason, open.said.join("\n")).toBe("maxClocks");
  expect(clocksOf(ran)).toEqual({ "site-0/worker-0": 10, "site-0/worker-1": 10 });
  expect(open.said.join("\n")).toMatch(/run \S+: host page runs/);
  await within("leave()");
}, 60_000);

test("a certificate for another name is refused, and one of an authority that nobody trusts", async () => {
  expect(await knock(open.page, nats.web)).toBe("open");
  expect(await knock(open.page, nats.web.replace("localhost", "127.0.0.1"))).toBe("refused");
  const stranger = await webNats(createAuthority().issue("localhost"));
  expect(await knock(open.page, stranger.web)).toBe("refused");
  await stranger.server.stop();
}, 60_000);
