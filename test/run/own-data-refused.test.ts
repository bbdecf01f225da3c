/**
 * Runs on records that stay at their sites, refused before they begin: by site and file, and without a record (needs
 * `npm run build` before).
 */
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Agents, access, agents } from "./agents.ts";
import { agentsAt, executeOn, HEART, heart, hospitals, put } from "./own-data.ts";
import { childrenOf } from "./processes.ts";

let there: Agents;
beforeAll(async () => {
  there = await agents();
});
afterAll(() => there.stop());

const sites = { count: 2, workers: 1 };
const secret = "77.7";
const row = (label: string, age = "63") => `${age},1,1,145,233,1,2,150,0,2.3,3,0,6,${label}`;
const classes = { ...HEART.schema, label: { as: "class", classes: ["0", "1", "2", "3", "4"] } };

test.each([
  ["a file that is not there", undefined, {}, "no data at hospitals/site-1.csv"],
  ["another column", `${row("0")},${secret}`, {}, "has 15 columns, not the 14 of the schema"],
  ["no number", row("0", `${secret}x`), {}, 'age is "…", which is no number'],
  ["an unknown class", row(secret), { schema: classes }, 'label "…" is out of range'],
])("%s", async (_, content, more, message) => {
  const other = hospitals();
  try {
    const roots = [other.sites[0]!, other.test];
    if (content !== undefined) put(other.test, "hospitals/site-1.csv", content);
    const stop = await agentsAt(there, roots);
    const world = { kind: "cluster", nats: [there.server.url] };
    const spec = heart({ data: { ...HEART, ...more }, sites, world });
    const failed = await executeOn(other.test, spec, { cluster: access }).catch((error) => error);
    await stop();
    expect(failed.message).toContain("site site-1: ");
    expect(failed.message).toContain("hospitals/site-1.csv");
    expect(failed.message).toContain(message);
    expect(`${failed.stack} ${JSON.stringify(failed)}`).not.toContain(secret);
    expect(childrenOf(process.pid)).toEqual([]);
  } finally {
    other.remove();
  }
});

test.each(["/etc/{site}.csv", "../{site}.csv"])(
  "%s: not below what the agents name",
  async (path) => {
    const folder = hospitals();
    const stop = await agentsAt(there, folder.sites.slice(0, 2));
    const world = { kind: "cluster", nats: [there.server.url] };
    const spec = heart({ data: { ...HEART, path }, sites, world });
    await expect(executeOn(folder.test, spec, { cluster: access })).rejects.toMatchObject({
      code: "DATA_ELSEWHERE",
    });
    await stop();
    folder.remove();
  },
);

test("other columns than elsewhere", async () => {
  const { names: _, ...schema } = HEART.schema;
  const header = HEART.schema.names.join();
  const files = {
    "hospitals/site-0.csv": `${header}\n${row("0")}`,
    "hospitals/site-1.csv": `${header.replace("chol", "fat")}\n${row("1")}`,
  };
  const folder = hospitals();
  for (const [path, content] of Object.entries(files)) put(folder.all, path, content);
  const spec = heart({ data: { ...HEART, schema }, sites });
  await expect(executeOn(folder.all, spec)).rejects.toThrow(
    /site site-1: its rows are .*fat.*site-0 are .*chol/,
  );
  folder.remove();
});
