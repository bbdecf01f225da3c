/**
 * Pages as nodes of a cluster: a worker in a Web Worker of a headless Chromium trains MNIST together with a worker in
 * Node, which also holds the parameters (needs `npm run build` before).
 */
import { afterAll, beforeAll, expect, test } from "vitest";
import { VERSION } from "../../src/browser/version.ts";
import { type Agents, agents } from "../run/agents.ts";
import { DATA, digits, run, type WebNats, webNats } from "./node-fixtures.ts";
import { type OpenPage, openPage } from "./serve.ts";

let nats: WebNats;
let node: Agents;
let open: OpenPage;

beforeAll(async () => {
  nats = await webNats();
  node = await agents(nats.server);
  await node.start("site-0", {
    id: "node-agent",
    version: VERSION,
    means: { roots: [DATA], threads: 0 },
  });
  open = await openPage([], { "/data/": DATA });
}, 60_000);
afterAll(async () => {
  await open?.close();
  await node?.stop();
  await nats?.server.stop();
});

const inPage = (call: string): Promise<unknown> =>
  open.page.evaluate(`import("/test/browser/node-page.js").then(({ join, leave }) => ${call})`);

test("a page and a Node worker train MNIST together", async () => {
  const { origin } = new URL(open.page.url());
  const options = { nats: nats.web, site: "site-0", id: "page", files: `${origin}/data/` };
  try {
    await inPage(`join(${JSON.stringify(options)})`);
    const { events, outcome, warnings } = await run(digits(nats.server.url));
    console.log(warnings, open.said, node.said, events.slice(-3));
    expect(outcome.reason).toBe("maxClocks");
  } catch (error) {
    console.log(open.said, node.said);
    throw error;
  }
}, 120_000);
