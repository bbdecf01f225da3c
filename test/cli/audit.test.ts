/** What crossed which border: worked examples in words and figures, real logs of the worlds, and no kind unsaid. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runCli } from "../../src/cli/program.ts";
import type { Cargo, RunEvent } from "../../src/core/events.ts";
import { type NodeId, siteId } from "../../src/core/ids.ts";
import type { Audit } from "../../src/run/audit.ts";
import { messageKind } from "../../src/world/message.ts";
import { read, trackedFiles } from "../house/source.ts";
import { makeNode, simulate } from "../world/fixtures.ts";
import { fakeIo } from "./fake-io.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "pangaea-audit-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function pangaea(...words: readonly string[]) {
  const io = fakeIo(folder, { columns: () => 120 });
  const code = await runCli(words, io);
  return { code, out: io.stdout(), err: io.stderr() };
}

const policy = {
  default: { records: "stay" },
  sites: { oregon: { records: "may-move" } },
};
const started = (world: unknown = "simulated"): RunEvent => ({
  ...{ type: "run", t: 0, name: "worked", spec: { world, policy }, parameters: 1, workers: 2 },
  sites: ["oregon", "tokyo", "virginia"].map((name) => ({ id: siteId(name), name })),
});
const ended: RunEvent = { type: "end", t: 9, reason: "finished" };
const sent = (
  [from, to]: readonly [string, string],
  kind: string,
  carries: Cargo | undefined,
  more: { readonly bytes?: number; readonly messages?: number; readonly refused?: number } = {},
): RunEvent => ({
  ...{ type: "traffic", t: 1, from: siteId(from), to: siteId(to), kind, wan: true, dollars: 0 },
  ...{ carries, bytes: 1000, messages: 1, ...more },
});

/** The audit of a folder whose log has these lines. */
async function auditOf(events: readonly RunEvent[], ...flags: readonly string[]) {
  const run = mkdtempSync(join(folder, "run-"));
  const text = events.map((event) => `${JSON.stringify(event)}\n`).join("");
  writeFileSync(join(run, "events.ndjson"), text);
  return pangaea("audit", run, ...flags);
}
const firstLine = ({ out }: { readonly out: string }): string => out.split("\n", 1)[0]!;

describe("in words", () => {
  test("nothing crossed", async () => {
    const inside = sent(["oregon", "oregon"], "ps.push", "records");
    const { code, out } = await auditOf([started(), inside, ended]);
    expect([code, out]).toEqual([0, "No records left any site.\nNothing crossed between sites.\n"]);
  });

  test("updates crossed, and no records", async () => {
    const update = sent(["oregon", "tokyo"], "gaia.update", "update", { bytes: 4000, messages: 2 });
    const clock = sent(["tokyo", "oregon"], "gaia.clock", "metadata", { bytes: 80 });
    const { code, out } = await auditOf([started(), update, clock, update, ended]);
    expect(code).toBe(0);
    expect(out.split("\n").map((line) => line.trimEnd())).toEqual([
      "No records left any site.",
      "Between sites went, over 2 pairs of them: 8.00 KB update, 80 B metadata.",
      "",
      "from    to      kind         carries   messages    bytes  refused  records   by",
      "oregon  tokyo   gaia.update  update           4  8.00 KB           may-move  policy.sites.oregon",
      "tokyo   oregon  gaia.clock   metadata         1     80 B           stay      policy.default",
      "",
    ]);
  });

  test("records crossed where the policy lets them", async () => {
    const records = sent(["oregon", "virginia"], "centralize.records", "records", {
      ...{ bytes: 6e6, messages: 3 },
    });
    const said = await auditOf([started(), records, records, ended]);
    expect(said.code).toBe(0);
    expect(firstLine(said)).toBe(
      "Records left oregon for virginia: 12.0 MB in 6 messages, allowed by policy.sites.oregon.records: may-move.",
    );
  });

  test("records that crossed against the policy are a failure", async () => {
    const records = sent(["tokyo", "virginia"], "centralize.records", "records");
    const said = await auditOf([started(), records, ended]);
    expect(said.code).toBe(5);
    expect(firstLine(said)).toBe(
      "Records left tokyo for virginia: 1.00 KB in 1 message, RECORDS_LEFT: against policy.default.records: stay.",
    );
    const json = JSON.parse((await auditOf([started(), records, ended], "--json")).out) as Audit & {
      readonly violations: readonly unknown[];
    };
    expect(json.violations).toEqual(json.crossings);
  });

  test("what was refused did not cross", async () => {
    const refused = sent(["tokyo", "virginia"], "centralize.records", "records", {
      ...{ bytes: 0, messages: 0, refused: 1 },
    });
    const end: RunEvent = { ...ended, type: "end", reason: "failed", message: "records stay" };
    const said = await auditOf([started(), refused, end]);
    expect([said.code, firstLine(said)]).toEqual([0, "No records left any site."]);
    expect(said.out).toContain(
      "Refused: 1 message centralize.records from tokyo to virginia, by policy.default.records: stay.",
    );
  });

  test("what the log does not know is said", async () => {
    const old = sent(["tokyo", "oregon"], "ps.push", undefined);
    expect(firstLine(await auditOf([started(), old, ended]))).toMatch(/^Whether records left a/);
    expect((await auditOf([started()])).out).toContain("The log has no end");
    const cluster = await auditOf([started({ kind: "cluster" }), ended]);
    expect(cluster.out).toContain("the hosts told the coordinator");
  });
});

describe("what is no log", () => {
  test("no folder, a comparison's folder, a log without a run", async () => {
    expect((await pangaea("audit", "nowhere")).err).toContain("MISSING_RUN");
    mkdirSync(join(folder, "compare", "gaia"), { recursive: true });
    writeFileSync(join(folder, "compare", "gaia", "events.ndjson"), "");
    const comparison = await pangaea("audit", "compare");
    expect([comparison.code, comparison.err]).toEqual([3, expect.stringContaining("compare/gaia")]);
    expect((await pangaea("audit", "compare/gaia")).code).toBe(3);
  });

  test("a cut line ends the audit", async () => {
    const run = join(folder, "cut");
    mkdirSync(run);
    writeFileSync(join(run, "events.ndjson"), `${JSON.stringify(started())}\n{"type":"tra`);
    const said = await pangaea("audit", run);
    expect([said.code, said.err]).toEqual([0, expect.stringContaining(":2: the line is cut off")]);
    expect(said.out).toContain("The log has no end");
  });
});

describe("real logs", () => {
  const quick = [
    ...["examples/softmax-quick.yaml", "--set", "stop.maxClocks=10", "--set", "data.rows=500"],
    ...["--set", "data.testRows=100", "--set", "sites.count=2", "--threads", "0"],
  ];
  const audited = async (name: string, ...words: readonly string[]): Promise<Audit> => {
    const [file = "", ...flags] = words;
    const ran = await pangaea(
      "run",
      join(import.meta.dirname, "../..", file),
      ...flags,
      "--out",
      name,
    );
    expect(ran.code, ran.err).toBe(0);
    return JSON.parse((await pangaea("audit", name, "--json")).out) as Audit;
  };
  const cargo = ({ crossings }: Audit): readonly string[] =>
    [...new Set(crossings.map(({ carries }) => carries ?? "not said"))].sort();

  test("of the simulated and the local world say the same", async () => {
    const lockstep = ["--set", "between.staleness=0"];
    const simulated = await audited("simulated", ...quick, ...lockstep);
    const local = await audited("local", ...quick, ...lockstep, "--world", "local");
    expect(["control", "metadata", "parameters", "update"]).toEqual(
      expect.arrayContaining([...cargo(simulated)]),
    );
    expect(simulated.crossings.length).toBeGreaterThan(3);
    expect(local.world).toBe("local");
    expect(local.crossings.map(({ from, to, kind, carries }) => [from, to, kind, carries])).toEqual(
      simulated.crossings.map(({ from, to, kind, carries }) => [from, to, kind, carries]),
    );
  }, 60_000);

  test("of records shipped to one site, where the policy says so", async () => {
    const may = ["--set", "between={kind: centralize, site: site-0}"];
    const audit = await audited(
      "records",
      ...quick,
      ...may,
      "--set",
      "policy.default.records=may-move",
    );
    const records = audit.crossings.filter(({ carries }) => carries === "records");
    expect(records.map(({ from, to, kind }) => `${from} ${to} ${kind}`)).toEqual([
      "site-1 site-0 centralize.records",
    ]);
    expect(firstLine(await pangaea("audit", "records"))).toMatch(
      /^Records left site-1 for site-0: .*, allowed by policy\.default\.records: may-move\.$/,
    );
  }, 60_000);

  test("of streams: portions of models cross, and records only to the centre", async () => {
    const stream = [
      ...["examples/cartel-digits.yaml", "--set", "data.stream.batches=30", "--threads", "0"],
      ...["--set", "data={kind: digits, rows: 500, testRows: 100}", "--set", "data.stream.rate=1"],
      ...["--set", "data.stream.workload={kind: introduction, at: 10, targets: 2, donors: 2}"],
      ...["--set", "data.stream.mixture={kind: classes, count: 5}", "--set", "sites.count=4"],
    ];
    const stay = ["--set", "policy.default.records=stay"];
    const cartel = await audited("cartel", ...stream, ...stay);
    expect(cartel.crossings.length).toBeGreaterThan(0);
    expect(cargo(cartel)).not.toContain("records");
    const central = await audited("central", ...stream, "--set", "between={kind: centralize}");
    const shipped = central.crossings.filter(({ carries }) => carries === "records");
    expect(new Set(shipped.map(({ kind }) => kind))).toEqual(new Set(["centralize.batch"]));
    expect(new Set(shipped.map(({ to }) => to)).size).toBe(1);
  }, 60_000);

  test("say what a policy refused", async () => {
    const RECORDS = messageKind("records", "bulk", "records");
    const nodes = [makeNode("alpha", "peer", 0), makeNode("beta", "peer", 0)];
    const { simulation, events } = simulate(nodes);
    const [left, right] = nodes.map(({ id }) => id) as [NodeId, NodeId];
    simulation.start(left, async (world) => {
      expect(() => world.network.send(right, RECORDS, {})).toThrow(/records stay at alpha/);
    });
    await simulation.run();
    simulation.flushTraffic();
    simulation.flushTraffic();
    const refused = { from: "alpha", to: "beta", carries: "records", messages: 0, refused: 1 };
    expect(events).toMatchObject([refused]);
  });
});

describe("kinds", () => {
  const sources = trackedFiles("src").filter((path) => path.endsWith(".ts"));
  const DECLARED =
    /messageKind\(\s*"([^"]+)",\s*"(?:control|bulk)",\s*"(control|metadata|update|parameters|records)"/g;

  test("each says what it carries, and one name always the same", () => {
    const found = new Map<string, string>();
    for (const path of sources) {
      const text = read(path);
      const declared = [...text.matchAll(DECLARED)];
      const calls = [...text.matchAll(/\bmessageKind\(/g)];
      expect(declared.length, `${path}: a kind with names and cargo in its declaration`).toBe(
        calls.length,
      );
      for (const [, name = "", carries = ""] of declared) {
        expect([name, found.get(name) ?? carries]).toEqual([name, carries]);
        found.set(name, carries);
      }
    }
    expect(found.size).toBeGreaterThan(25);
    expect(
      [...found]
        .filter(([, carries]) => carries === "records")
        .map(([name]) => name)
        .sort(),
    ).toEqual(["centralize.batch", "centralize.records"]);
  });

  test("none is made another way", () => {
    const made = sources.filter((path) => /\bcarries: "|\bcarries: `/.test(read(path)));
    expect(made).toEqual([]);
  });
});
