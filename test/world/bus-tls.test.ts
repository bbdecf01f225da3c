/** TLS with certificates of both sides on a real NATS server: who is refused, how soon, and as what. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { SECOND } from "../../src/core/units.ts";
import { connectNats } from "../../src/world/bus/nats.ts";
import type { NatsOptions } from "../../src/world/bus/nats-options.ts";
import { bytes, refused, text } from "./bus-contract.ts";
import { createAuthority } from "./certificates.ts";
import { type NatsServer, natsOptions, startNats } from "./nats-server.ts";

const authority = createAuthority();
const foreign = createAuthority();
const own = authority.issue("localhost");
const ca = own.ca;

let server: NatsServer;
const reach = (more: Partial<NatsOptions>): NatsOptions =>
  natsOptions({ url: `tls://localhost:${server.port}` }, more);

beforeAll(async () => {
  server = await startNats((folder) => {
    const file = (name: string, content: string): string => {
      writeFileSync(join(folder, name), content);
      return JSON.stringify(join(folder, name));
    };
    return `tls {
      cert_file: ${file("cert.pem", own.cert)}
      key_file: ${file("key.pem", own.key)}
      ca_file: ${file("ca.pem", ca)}
      verify: true
    }`;
  });
});
afterAll(() => server?.stop());

test("a client with a certificate of the same authority is let in", async () => {
  const { cert, key } = authority.issue("virginia");
  const bus = await connectNats(reach({ tls: { ca, cert, key } }));
  await bus.serve("echo", (data) => data);
  const answer = await bus.request("echo", bytes("sealed"), { deadline: 5 * SECOND });
  expect(text(answer)).toBe("sealed");
  await bus.close();
});

test.each<[what: string, tls: () => NatsOptions["tls"], code: RegExp]>([
  // The server says nothing to these two: only the deadline ends the wait.
  ["no certificate", () => ({ ca }), /^BUS_(UNREACHABLE|UNAUTHENTICATED)$/],
  [
    "another authority's certificate",
    () => ({ ...foreign.issue("virginia"), ca }),
    /^BUS_(UNREACHABLE|UNAUTHENTICATED)$/,
  ],
  ["another authority to check the server by", () => foreign.issue("x"), /^BUS_UNAUTHENTICATED$/],
  ["the authorities that Node knows", () => ({}), /^BUS_UNAUTHENTICATED$/],
])("a client with %s is refused within its deadline", async (_, tls, code) => {
  const error = await refused(connectNats(reach({ tls: tls(), deadline: SECOND })));
  expect(error.code).toMatch(code);
  expect(`${error.message}${error.stack}`).not.toContain("PRIVATE");
});

test("a client that speaks no TLS is refused", async () => {
  const plain = natsOptions({ url: `nats://localhost:${server.port}` }, { deadline: SECOND });
  expect((await refused(connectNats(plain))).code).toMatch(/^BUS_/);
});

test("a client that wants TLS does not speak without it", async () => {
  const open = await startNats();
  const url = `tls://localhost:${open.port}`;
  const error = await refused(connectNats(natsOptions({ url }, { deadline: SECOND, tls: { ca } })));
  expect(error.code).toMatch(/^BUS_/);
  await open.stop();
});
