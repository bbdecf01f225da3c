/** What a host says to the desk of a supervisor, when another takes that one's place. */
import { expect, test } from "vitest";
import { attendDesk, DeskLine } from "../../src/world/live/desk.ts";
import type { FromHost } from "../../src/world/live/protocol.ts";
import { memoryPair } from "./local-fixtures.ts";
import { turn } from "./virtual-timers.ts";

const said = (what: string): Extract<FromHost, { type: "said" }> => ({ type: "said", what });
const whatOf = (message: FromHost): unknown => (message.type === "said" ? message.what : message);

test("what one that was paused did not take goes the other way when the next one comes, and holds nothing up", async () => {
  const posted: unknown[] = [];
  const line = new DeskLine((message) => posted.push(whatOf(message)));
  // It never reads, and its connection stands.
  const [first] = memoryPair();
  line.attach(first);
  line.say(said("a"));
  await turn();
  expect(line.oldest()).toBeLessThan(Number.POSITIVE_INFINITY);
  const [second, supervisor] = memoryPair();
  const heard: unknown[] = [];
  attendDesk(supervisor, (message) => heard.push(whatOf(message)));
  line.attach(second);
  line.say(said("b"));
  // There, and back.
  for (const _ of ["b", "took"]) await turn();
  expect(posted).toEqual(["a"]);
  expect(heard).toEqual(["b"]);
  expect(line.oldest()).toBe(Number.POSITIVE_INFINITY);
});
