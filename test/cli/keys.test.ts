/** `pangaea keys`: files that only their owner reads, and that a real nats-server takes. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { runCli } from "../../src/cli/program.ts";
import { connectNats } from "../../src/world/bus/nats.ts";
import { codeOf } from "../world/bus-contract.ts";
import { natsOptions, startNats } from "../world/nats-server.ts";
import { fakeIo } from "./fake-io.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "pangaea-keys-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const keys = async (...words: string[]) => {
  const io = fakeIo(folder);
  const code = await runCli(["keys", ...words], io);
  return { code, out: io.stdout(), err: io.stderr() };
};
const seedOf = (out: string, role: string): string =>
  readFileSync(join(folder, out, `${role}.seed`), "utf8");

test("writes a seed per role for its owner alone, and prints none", async () => {
  const { code, out, err } = await keys();
  expect(code).toBe(0);
  expect(err).toBe("");
  const files = [
    ...["accounts.conf", "coordinator.pub", "coordinator.seed", "node.seed", "observer.seed"],
  ];
  expect(readdirSync(join(folder, "keys")).sort()).toEqual(files);
  const accounts = readFileSync(join(folder, "keys", "accounts.conf"), "utf8");
  for (const role of ["coordinator", "node", "observer"]) {
    const seed = seedOf("keys", role);
    expect(seed).toMatch(/^SU[A-Z2-7]{56}\n$/);
    expect(out + accounts).not.toContain(seed.trim());
    expect(statSync(join(folder, "keys", `${role}.seed`)).mode & 0o777).toBe(0o600);
  }
});

test("replaces nothing", async () => {
  const before = seedOf("keys", "node");
  const { code, err } = await keys();
  expect([code, err]).toEqual([2, expect.stringContaining("KEYS_EXIST")]);
  expect(seedOf("keys", "node")).toBe(before);
});

test("a nats-server takes the file, and lets in who has a seed", async () => {
  const { code, out } = await keys("--out", "deep/er", "--json");
  expect(code).toBe(0);
  const said = JSON.parse(out) as { readonly accounts: string; readonly keys: unknown[] };
  expect(said.keys).toHaveLength(3);
  expect(existsSync(join(folder, said.accounts))).toBe(true);
  const server = await startNats(() => readFileSync(join(folder, said.accounts), "utf8"));
  const seed = seedOf("deep/er", "node");
  const bus = await connectNats(natsOptions(server, { auth: { kind: "nkey", seed } }));
  await bus.close();
  expect(await codeOf(connectNats(natsOptions(server)))).toBe("BUS_UNAUTHENTICATED");
  await server.stop();
});
