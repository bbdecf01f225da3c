/** How Kubernetes' API server is found and trusted: kubeconfig, service account, certificates of both sides. */
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TLSSocket } from "node:tls";
import { afterAll, beforeAll, expect, test } from "vitest";
import { stringify } from "yaml";
import { Scope } from "../../src/core/scope.ts";
import { kubeAccess } from "../../src/world/cluster/place/kubernetes/access.ts";
import { kubernetesPlacer } from "../../src/world/cluster/place/kubernetes/kubernetes.ts";
import { createAuthority } from "./certificates.ts";
import { failure, wanted } from "./place-fixtures.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "pangaea-kube-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function kubeconfig(name: string, cluster: object, user: object, namespace = "training"): string {
  const file = join(folder, name);
  const contexts = [{ name: "main", context: { cluster: "c", user: "u", namespace } }];
  const clusters = [{ name: "c", cluster }];
  const users = [{ name: "u", user }];
  writeFileSync(file, stringify({ "current-context": "main", contexts, clusters, users }));
  return file;
}

const base64 = (text: string): string => Buffer.from(text).toString("base64");

test("a kubeconfig with a client certificate is let in by a server that wants one", async () => {
  const authority = createAuthority();
  const own = authority.issue("localhost");
  const client = authority.issue("someone");
  const seen: string[] = [];
  const server = createServer(
    { ...own, requestCert: true, rejectUnauthorized: true },
    (req, res) => {
      const { subject } = (req.socket as TLSSocket).getPeerCertificate();
      seen.push(`${subject.CN} ${req.method} ${req.url}`);
      res.writeHead(403);
      res.end(JSON.stringify({ message: "not today" }));
    },
  ).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { readonly port: number };
  writeFileSync(join(folder, "client.key"), client.key);
  const cluster = {
    server: `https://localhost:${port}`,
    "certificate-authority-data": base64(own.ca),
  };
  const user = { "client-certificate-data": base64(client.cert), "client-key": "client.key" };
  const file = kubeconfig("mtls", cluster, user);
  const place = async (config: string): Promise<unknown> => {
    const placer = kubernetesPlacer({ access: kubeAccess({ file: config }), image: "x" });
    return Scope.run((scope) => placer.place([wanted("a", ["x"])], scope));
  };
  const error = await failure(place(file));
  expect([error.code, error.message]).toEqual([
    "SCHEDULER_FORBIDDEN",
    `Kubernetes at https://localhost:${port} answered 403: not today`,
  ]);
  expect(seen[0]).toBe("someone GET /api/v1/nodes");
  const bare = kubeconfig("bare", cluster, { token: "t0p" });
  const refused = await failure(place(bare));
  expect(refused.code).toBe("SCHEDULER_UNREACHABLE");
  expect(refused.message).not.toContain("t0p");
  const foreign = {
    ...cluster,
    "certificate-authority-data": base64(createAuthority().issue("x").ca),
  };
  expect((await failure(place(kubeconfig("foreign", foreign, user)))).code).toBe(
    "SCHEDULER_UNREACHABLE",
  );
  server.close();
  server.closeAllConnections();
});

test("inside a cluster the service account is taken, its token read anew", () => {
  const account = join(folder, "account");
  mkdirSync(account);
  for (const [name, text] of Object.entries({
    token: "one\n",
    namespace: "here",
    "ca.crt": "CA",
  })) {
    writeFileSync(join(account, name), text);
  }
  const env = { KUBERNETES_SERVICE_HOST: "fd00::1", KUBERNETES_SERVICE_PORT: "6443" };
  const access = kubeAccess({ env, account });
  expect(access).toMatchObject({ address: "https://[fd00::1]:6443", namespace: "here", ca: "CA" });
  expect(access.token?.()).toBe("one");
  writeFileSync(join(account, "token"), "two");
  expect(access.token?.()).toBe("two");
});

const SERVER = { server: "https://k8s.example.org" };
test.each<[what: string, cluster: object, user: object, said: RegExp]>([
  ["a program for credentials", SERVER, { exec: { command: "aws" } }, /"exec" are not read/],
  ["a password", SERVER, { username: "a", password: "secret" }, /"username" are not read/],
  [
    "a server that is trusted unseen",
    { ...SERVER, "insecure-skip-tls-verify": true },
    {},
    /unseen/,
  ],
  ["no server", {}, {}, /no cluster with a server/],
])("%s is refused, and nothing secret said", (what, cluster, user, said) => {
  const file = kubeconfig(`bad-${what.replace(/\W/g, "-")}`, cluster, user);
  let message = "";
  try {
    kubeAccess({ file });
  } catch (error) {
    message = String(error);
  }
  expect(message).toMatch(said);
  expect(message).not.toContain("secret");
});

test("an unknown context is named with those that there are; nothing at all is said so", () => {
  const file = kubeconfig("contexts", SERVER, {});
  expect(() => kubeAccess({ file, context: "other" })).toThrow(/no context other.*there are: main/);
  expect(() => kubeAccess({ env: { HOME: folder }, account: folder })).toThrow(/no Kubernetes/);
});
