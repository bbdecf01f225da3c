/** How a process reaches the cluster. */
import { expect, test } from "vitest";
import { Scope } from "../../src/core/scope.ts";
import { joinBus } from "../../src/world/cluster/access.ts";
import { freePort } from "./nats-server.ts";

test("who waits for a bus that does not answer is told for whom, and may give up", async () => {
  const server = `nats://127.0.0.1:${await freePort()}`;
  const scope = new Scope();
  const access = { version: "test", insecure: true };
  let said = "";
  const tell = (text: string): void => {
    said = text;
    scope.cancel("enough");
  };
  await expect(joinBus([server], "one", access, { tell, scope })).rejects.toThrow();
  expect(said).toBe(`nobody answers yet at ${server}; trying for 30 s in all`);
});
