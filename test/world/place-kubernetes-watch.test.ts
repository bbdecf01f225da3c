/** How long an API server may be silent before its pods count as lost: counted from its last word, not its last list. */
import { PassThrough } from "node:stream";
import { expect, test } from "vitest";
import { SECOND } from "../../src/core/units.ts";
import { unreachable } from "../../src/world/cluster/place/errors.ts";
import type { HttpClient } from "../../src/world/cluster/place/http.ts";
import { PodWatch } from "../../src/world/cluster/place/kubernetes/watch.ts";
import { turn, VirtualTimers } from "./virtual-timers.ts";

test("a server that is away for less than the patience, after a watch of minutes, has lost no pods", async () => {
  const timers = new VirtualTimers();
  const streams: PassThrough[] = [];
  let away = false;
  const http = {
    who: "Kubernetes",
    ask: async () => {
      if (away) throw unreachable("Kubernetes", new Error("connection refused"));
      return { metadata: { resourceVersion: "1" }, items: [] };
    },
    open: async () => {
      const stream = Object.assign(new PassThrough(), { statusCode: 200 });
      streams.push(stream);
      return stream;
    },
  } as unknown as HttpClient;
  const lost: unknown[] = [];
  const of = { namespace: "here", selector: "run=r" };
  const watch = new PodWatch(
    http,
    of,
    { timers, patience: 300 * SECOND },
    {
      ...{ seen: () => {}, deleted: () => {} },
      lost: (error) => lost.push(error),
    },
  );
  const running = watch.run();
  const pass = async (seconds: number): Promise<void> => {
    for (let second = 0; second < seconds; second++) {
      await turn();
      await timers.advance(SECOND);
    }
  };
  await pass(239);
  streams[0]?.write(`${JSON.stringify({ type: "BOOKMARK", object: {} })}\n`);
  await turn();
  away = true;
  streams[0]?.end();
  await pass(200);
  expect(lost).toEqual([]);
  away = false;
  await pass(2);
  expect(streams).toHaveLength(2);
  away = true;
  streams[1]?.end();
  await pass(310);
  expect(lost).toHaveLength(1);
  await running;
});
