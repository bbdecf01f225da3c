/** The bus on a real NATS server keeps the contract, and what only a server can do to it. */
import { once } from "node:events";
import { createServer } from "node:net";
import { describe, expect, test } from "vitest";
import { SECOND } from "../../src/core/units.ts";
import { connectNats } from "../../src/world/bus/nats.ts";
import type { BusNotice } from "../../src/world/bus/nats-options.ts";
import { bytes, codeOf, describeBus, refused, text, until } from "./bus-contract.ts";
import { freePort, natsBackend, natsOptions, passing, startNats } from "./nats-server.ts";

describeBus("NATS", natsBackend);

const real = { pass: passing };

describe("a server that ends and starts anew", () => {
  test("finds its clients again: subscriptions, servers, buckets and watches go on", async () => {
    const server = await startNats();
    const notices: BusNotice["type"][] = [];
    const notify = ({ type }: BusNotice): number => notices.push(type);
    const left = await connectNats(natsOptions(server, { id: "left", notify }));
    const right = await connectNats(natsOptions(server, { id: "right" }));
    try {
      const [mine, yours] = [await left.kv("state"), await right.kv("state")];
      await right.serve("echo", (data) => data);
      const told: string[] = [];
      await yours.watch("all", ({ key, value }) => told.push(`${key}=${text(value) ?? "gone"}`));
      await mine.put("a", bytes("1"));
      await mine.put("b", bytes("1"));
      await until(real, () => told.includes("b=1"));
      await server.kill();
      await until(real, () => notices.includes("disconnected"));
      // Begun while there is no server: takes effect when there is one again.
      const written = mine.put("a", bytes("2"));
      await server.restart();
      await written;
      await mine.delete("b");
      await until(real, () => told.includes("b=gone"));
      expect(notices).toContain("reconnected");
      expect(told).toEqual(["a=1", "b=1", "a=2", "b=gone"]);
      await until(
        real,
        async () => (await codeOf(left.request("echo", bytes("x"), { deadline: SECOND }))) === "",
      );
    } finally {
      await left.close();
      await right.close();
      await server.stop();
    }
  });
});

describe("connecting", () => {
  test("to a dead port ends at the deadline, and says so without the cause's noise", async () => {
    const url = `nats://127.0.0.1:${await freePort()}`;
    const error = await refused(connectNats(natsOptions({ url }, { deadline: SECOND / 5 })));
    expect([error.code, error.retryable]).toEqual(["BUS_UNREACHABLE", true]);
    expect(error.message).toContain(url.slice(7));
  });

  test("waits for a server that starts within the deadline", async () => {
    const server = await startNats();
    await server.kill();
    const connected = connectNats(natsOptions(server));
    await server.restart();
    await (await connected).close();
    await server.stop();
  });

  test("to a listener that never speaks ends at the deadline", async () => {
    const port = await freePort();
    const silent = createServer((socket) => socket.resume()).listen(port, "127.0.0.1");
    await once(silent, "listening");
    const url = `nats://127.0.0.1:${port}`;
    const error = await refused(connectNats(natsOptions({ url }, { deadline: SECOND / 5 })));
    expect(error.code).toBe("BUS_UNREACHABLE");
    silent.close();
  });

  test.each([
    ["nats://example.org:4222", "BUS_PLAIN"],
    ["nats://10.0.0.1:4222", "BUS_PLAIN"],
    ["nats://127.0.0.1.example.org:4222", "BUS_PLAIN"],
    ["nats://user:hidden@127.0.0.1:4222", "BUS_ADDRESS"],
    ["http://127.0.0.1:4222", "BUS_ADDRESS"],
  ])("to %s is refused before anything is sent", async (url, code) => {
    const attempt = connectNats(natsOptions({ url }));
    expect(await codeOf(attempt)).toBe(code);
    await attempt.catch((error: Error) => expect(error.message).not.toContain("hidden"));
  });
});

test("a server without JetStream carries messages, and says of buckets that they may come", async () => {
  const server = await startNats(() => "", { jetStream: false });
  const bus = await connectNats(natsOptions(server, { operationDeadline: SECOND / 5 }));
  await bus.serve("echo", (data) => data);
  expect(text(await bus.request("echo", bytes("here"), { deadline: SECOND }))).toBe("here");
  const error = await refused(bus.kv("state"));
  expect([error.code, error.retryable]).toEqual(["BUS_UNAVAILABLE", true]);
  await bus.close();
  await server.stop();
});
