/** The NATS server of one run: there, used, and gone with whoever started it, however that went. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { connect } from "node:net";
import { expect, test, vi } from "vitest";
import { connectNats } from "../../src/world/bus/nats.ts";
import { startNats } from "../../src/world/cluster/private-nats.ts";
import { natsOptions, startNats as startTestNats } from "./nats-server.ts";
import { script } from "./place-fixtures.ts";

/** Resolves when nothing listens at the port any more. */
async function silent(port: number): Promise<void> {
  for (;;) {
    const socket = connect(port, "127.0.0.1");
    // A server that is still there hangs up when it ends.
    const there = await new Promise<boolean>((resolve) => {
      let connected = false;
      socket.on("connect", () => {
        connected = true;
      });
      socket.on("error", () => {});
      socket.on("close", () => resolve(connected));
      socket.resume();
    });
    if (!there) return;
  }
}

const portOf = (url: string): number => Number(new URL(url).port);

test("is ready when it is given, and gone when it is given back", async () => {
  const nats = await startNats();
  const socket = connect(portOf(nats.url), "127.0.0.1");
  const [greeting] = await once(socket, "data");
  expect(String(greeting)).toContain("INFO");
  socket.destroy();
  await nats.close();
  await silent(portOf(nats.url));
});

test("kill -9 of its owner leaves no server", async () => {
  const entry = new URL("../../dist/world/cluster/private-nats.js", import.meta.url).href;
  const script = `const { startNats } = await import(${JSON.stringify(entry)});
    const nats = await startNats(); console.log(nats.url); setInterval(() => {}, 1e6);`;
  const owner = spawn(process.execPath, ["--input-type=module", "-e", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [url] = await once(owner.stdout, "data");
  const port = portOf(String(url).trim());
  owner.kill("SIGKILL");
  await silent(port);
});

test("kill -9 of tests leaves none of their servers, nor their files", async () => {
  const [command = "", ...words] = script("./nats-victim.ts");
  const owner = spawn(command, words, { stdio: ["ignore", "pipe", "inherit"] });
  const [said] = await once(owner.stdout, "data");
  const { url, folder } = JSON.parse(String(said)) as { url: string; folder: string };
  owner.kill("SIGKILL");
  await silent(portOf(url));
  // The guard takes them away when the server has ended.
  await vi.waitUntil(() => !existsSync(folder), { timeout: 10_000, interval: 20 });
});

test("a server of tests that crashes finds its files again", async () => {
  const server = await startTestNats();
  const bus = await connectNats(natsOptions(server));
  await (await bus.kv("kept")).put("a", Uint8Array.of(7));
  await bus.close();
  await server.kill();
  await server.restart();
  const again = await connectNats(natsOptions(server));
  expect((await (await again.kv("kept")).get("a"))?.value).toEqual(Uint8Array.of(7));
  await again.close();
  await server.stop();
  expect(existsSync(server.folder)).toBe(false);
});

test("says what to do where there is no nats-server", async () => {
  const path = process.env["PATH"];
  process.env["PATH"] = "/nowhere";
  try {
    await expect(startNats()).rejects.toMatchObject({ code: "NATS_MISSING" });
  } finally {
    process.env["PATH"] = path;
  }
});
