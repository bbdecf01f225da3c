/** What probes hear from an agent. */
import { expect, test } from "vitest";
import { serveHealth } from "../../src/cli/health.ts";
import { freePort } from "../world/nats-server.ts";

test("alive always, ready while it is joined, nothing else", async () => {
  const port = await freePort();
  let joined = false;
  const health = await serveHealth({ host: "127.0.0.1", port }, () => joined);
  const ask = async (path: string) => (await fetch(`http://127.0.0.1:${port}${path}`)).status;
  expect(await Promise.all(["/healthz", "/readyz", "/"].map(ask))).toEqual([200, 503, 404]);
  joined = true;
  expect(await ask("/readyz?verbose")).toBe(200);
  await health.close();
  await expect(ask("/healthz")).rejects.toThrow();
});
