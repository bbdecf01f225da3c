/** The command line from end to end, with a made-up engine: files, streams, exit codes. */
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { runCli } from "../../src/cli/program.ts";
import { readSafetensors } from "../../src/codec/safetensors.ts";
import { InputError, PangaeaError } from "../../src/core/errors.ts";
import { fakeEngine, fakeIo } from "./fake-io.ts";

const QUICK = resolve("examples/softmax-quick.yaml");
let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "pangaea-cli-"));
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

const read = (path: string): Promise<string> => readFile(join(folder, path), "utf8");

describe("run", () => {
  it("leaves spec, events, models and report, and says where", async () => {
    const io = fakeIo(folder);
    expect(await runCli(["run", QUICK], io, { engine: fakeEngine() })).toBe(0);
    const out = "runs/softmax-quick-1";
    expect((await readdir(join(folder, out))).sort()).toEqual([
      "events.ndjson",
      "model.safetensors",
      "models",
      "report.html",
      "spec.json",
    ]);
    const { spec, origins } = JSON.parse(await read(`${out}/spec.json`));
    expect(spec.name).toBe("softmax-quick");
    expect(origins["within.staleness"]).toBe("default");
    expect(origins.batch).toMatch(/softmax-quick\.yaml:\d+$/);
    const model = readSafetensors(await readFile(join(folder, out, "model.safetensors")));
    expect(model.tensors.map((tensor) => tensor.name)).toEqual(["w", "b"]);
    expect(Object.fromEntries(model.metadata)).toMatchObject({
      run: "softmax-quick",
      origin: "mean of the sites' copies",
    });
    expect(existsSync(join(folder, out, "models/east.safetensors"))).toBe(true);
    expect(io.stdout()).toContain(`report  ${out}/report.html`);
    expect(io.stdout()).toContain("Over two sites softmax-quick did not reach 85.0 % accuracy");
    expect(io.stderr()).toContain("softmax-quick: started");
  });

  it("writes the same bytes for the same seed, and never over what is there", async () => {
    for (const _ of [1, 2]) {
      await runCli(["run", QUICK, "--out", "mine"], fakeIo(folder), { engine: fakeEngine() });
    }
    const io = fakeIo(folder);
    await runCli(["run", QUICK, "--out", "mine", "--seed", "9"], io, { engine: fakeEngine() });
    expect(io.stderr()).toContain("mine is not empty: writing to mine-3 instead");
    expect(await read("mine/events.ndjson")).toBe(await read("mine-2/events.ndjson"));
    expect(await read("mine-3/events.ndjson")).not.toBe(await read("mine/events.ndjson"));
    expect(JSON.parse(await read("mine-3/spec.json")).origins.seed).toBe("--seed 9");
  });

  it("names the world by flags, and keeps what the file says of it", async () => {
    const world = async (...flags: readonly string[]): Promise<unknown> => {
      const out = join(folder, flags.join(""));
      const argv = ["run", QUICK, ...flags, "--out", out];
      expect(await runCli(argv, fakeIo(folder), { engine: fakeEngine() })).toBe(0);
      return JSON.parse(await readFile(join(out, "spec.json"), "utf8")).spec.world;
    };
    expect(await world("--world", "simulated")).toBe("simulated");
    const local = { kind: "local", hosts: "threads", pace: "real", links: "shaped" };
    expect(await world("--world", "local")).toEqual(local);
    expect(await world("--hosts", "processes")).toEqual({ ...local, hosts: "processes" });
    const io = fakeIo(folder);
    const argv = ["run", QUICK, "--world", "simulated", "--hosts", "threads"];
    expect(await runCli(argv, io, { engine: fakeEngine() })).toBe(2);
    expect(io.stderr()).toContain("the simulated world has no such setting");
  });

  it("prints nothing but JSON on stdout with --json", async () => {
    const io = fakeIo(folder);
    await runCli(["run", QUICK, "--json"], io, { engine: fakeEngine() });
    const data = JSON.parse(io.stdout());
    expect(Object.keys(data)).toEqual(["target", "rows", "conclusion", "out"]);
    expect(data.rows[0]).toMatchObject({ name: "softmax-quick", between: "gaia", within: "bsp" });
  });

  it("takes a module", async () => {
    const { parse } = await import("yaml");
    const data = JSON.stringify(parse(await readFile(QUICK, "utf8")));
    await writeFile(join(folder, "x.mjs"), `export default ${data};`);
    await writeFile(join(folder, "x.json"), data);
    expect(
      await runCli(["run", "x.mjs", "--out", "a"], fakeIo(folder), { engine: fakeEngine() }),
    ).toBe(0);
    expect(
      await runCli(["run", "x.json", "--out", "b"], fakeIo(folder), { engine: fakeEngine() }),
    ).toBe(0);
    expect(
      await runCli(["run", QUICK, "--out", "c"], fakeIo(folder), { engine: fakeEngine() }),
    ).toBe(0);
    const specs = await Promise.all(["a", "b", "c"].map((name) => read(`${name}/spec.json`)));
    const [a, b, c] = specs.map((text) => JSON.parse(text).spec);
    expect(a).toEqual(b);
    expect(b).toEqual(c);
  });

  it("ends with what there is on Ctrl-C", async () => {
    const io = fakeIo(folder);
    let judged = 0;
    const engine = fakeEngine();
    const code = await runCli(["run", QUICK], io, {
      engine: async () => {
        const inner = await engine();
        return {
          ...inner,
          executeRun: (spec, host) =>
            inner.executeRun(spec, {
              ...host,
              onEvent: (event) => {
                if (event.type === "evaluation" && ++judged === 2) io.interrupt();
                host.onEvent(event);
              },
            }),
        };
      },
    });
    expect(code).toBe(130);
    expect(io.stderr()).toContain("Ctrl-C again forces");
    expect(io.stdout().replaceAll("\n", " ")).toContain("before it was interrupted");
    expect(existsSync(join(folder, "runs/softmax-quick-1/report.html"))).toBe(true);
  });
});

describe("compare", () => {
  it("has a folder and a row for each entry, and the exact fields", async () => {
    const io = fakeIo(folder);
    expect(await runCli(["compare", QUICK, "--json"], io, { engine: fakeEngine() })).toBe(0);
    const data = JSON.parse(io.stdout());
    expect(data.target).toEqual({ accuracy: 0.85 });
    expect(data.rows.map((row: { name: string }) => row.name)).toEqual([
      "lan",
      "stretched-bsp",
      "gaia",
    ]);
    expect(Object.keys(data.rows[2])).toEqual([
      "name",
      "within",
      "between",
      "codec",
      "reachedTarget",
      "timeToTargetSeconds",
      "final",
      "clocks",
      "seconds",
      "end",
      "wanBytes",
      "lanBytes",
      "egressDollars",
      "computeSeconds",
      "waitSeconds",
      "significantFraction",
    ]);
    expect((await readdir(join(folder, data.out))).sort()).toEqual([
      "gaia",
      "lan",
      "report.html",
      "rows.json",
      "stretched-bsp",
    ]);
    expect(JSON.parse(await read(`${data.out}/rows.json`)).rows).toEqual(data.rows);
  });

  it("runs several seeds and tells mean and spread", async () => {
    const io = fakeIo(folder);
    const argv = ["compare", QUICK, "--between", "gaia", "--seeds", "3", "--json"];
    expect(await runCli(argv, io, { engine: fakeEngine() })).toBe(0);
    const { rows, out } = JSON.parse(io.stdout());
    expect(rows[1]).toMatchObject({ name: "gaia", seeds: 3 });
    expect(rows[1].spread.seconds.count).toBe(3);
    expect(rows[1].spread.seconds.deviation).toBeGreaterThan(0);
    expect(await readdir(join(folder, out, "gaia"))).toEqual(["seed-1", "seed-2", "seed-3"]);
  });

  it("keeps the rows that ended when a later one fails", async () => {
    const io = fakeIo(folder);
    const before = (_: string, spec: { between: { kind: string } }): void => {
      if (spec.between.kind === "gaia")
        throw new PangaeaError("DEADLOCK", "nothing is left to run");
    };
    expect(await runCli(["compare", QUICK], io, { engine: fakeEngine({ before }) })).toBe(5);
    expect(io.stderr()).toContain("error DEADLOCK: nothing is left to run");
    expect(io.stderr()).toContain("what there is: runs/softmax-quick-1");
    expect(await read("runs/softmax-quick-1/report.html")).toContain("stretched-bsp");
  });
});

describe("report", () => {
  it("writes the same page again from the logs alone", async () => {
    await runCli(["compare", QUICK, "--out", "c"], fakeIo(folder), { engine: fakeEngine() });
    await runCli(["run", QUICK, "--out", "r"], fakeIo(folder), { engine: fakeEngine() });
    for (const name of ["c", "r"]) {
      const before = await read(`${name}/report.html`);
      await rm(join(folder, name, "report.html"));
      const io = fakeIo(folder);
      expect(await runCli(["report", name], io)).toBe(0);
      expect(await read(`${name}/report.html`)).toBe(before);
      expect(io.stdout()).toContain(`report  ${name}/report.html`);
    }
  });

  it("takes a log that was cut off, and refuses a folder without one", async () => {
    await runCli(["run", QUICK, "--out", "r"], fakeIo(folder), { engine: fakeEngine() });
    const log = await read("r/events.ndjson");
    await writeFile(join(folder, "r/events.ndjson"), log.slice(0, log.length * 0.7));
    const io = fakeIo(folder);
    expect(await runCli(["report", "r", "--json"], io)).toBe(0);
    expect(io.stderr()).toContain("cut off");
    expect(JSON.parse(io.stdout()).rows[0].end).toBe("interrupted");
    await mkdir(join(folder, "empty"));
    expect(await runCli(["report", "empty"], fakeIo(folder))).toBe(3);
  });
});

describe("what is wrong", () => {
  const errorOf = async (...argv: string[]): Promise<string> => {
    const io = fakeIo(folder);
    const code = await runCli(argv, io, { engine: fakeEngine() });
    expect(io.stdout()).toBe("");
    return `exit ${code}\n${io.stderr()}`;
  };

  it("is told with place, cause and fix", async () => {
    await writeFile(join(folder, "bad.yaml"), "version: 1\nname: x\nbetwen: { kind: gaia }\n");
    expect(await errorOf("run", "bad.yaml")).toMatchInlineSnapshot(`
      "exit 2
      error MISSING_KEY bad.yaml:1:1
        data: is missing
        fix: add data: an object with kind: idx, digits, ratings, csv, libsvm, text
      error MISSING_KEY bad.yaml:1:1
        model: is missing
        fix: add model: an object with kind: sequential, onnx, matrix-factorisation, forest, svm, logistic, naive-bayes, graph
      error MISSING_KEY bad.yaml:1:1
        sites: is missing
        fix: add sites: an object
      error MISSING_KEY bad.yaml:1:1
        optimizer: is missing
        fix: add optimizer: an object with kind: sgd, momentum, adagrad, adam
      error UNKNOWN_KEY bad.yaml:3:1
        betwen: unknown key betwen
        fix: did you mean between?
      5 problems; see docs/errors.md#missing_key, docs/errors.md#unknown_key
      "
    `);
    expect(await errorOf("run", "nope.yaml")).toMatchInlineSnapshot(`
      "exit 3
      error MISSING_FILE nope.yaml
        there is no such file
        fix: give the path of an experiment; those that come with Pangaea are in examples/
      1 problem; see docs/errors.md#missing_file
      "
    `);
    expect(await errorOf("run", "x.txt")).toMatchInlineSnapshot(`
      "exit 2
      error BAD_FILE x.txt
        a file of type .txt is no experiment
        fix: use .yaml, .json, .ts or .js
      1 problem; see docs/errors.md#bad_file
      "
    `);
    expect(await errorOf("run", QUICK, "--set", "batch=many")).toMatchInlineSnapshot(`
      "exit 2
      error WRONG_TYPE --set batch=many
        batch: expected a whole number, got "many"
      1 problem; see docs/errors.md#wrong_type
      "
    `);
    expect(await errorOf("compare", QUICK, "--between", "gaya")).toMatchInlineSnapshot(`
      "exit 2
      error WRONG_VALUE --between gaya
        gaya is not one of stretched, none, centralize, federated, gaia, cartel
        fix: did you mean gaia?
      1 problem; see docs/errors.md#wrong_value
      "
    `);
    expect(await errorOf("rnu", QUICK)).toMatchInlineSnapshot(`
      "exit 2
      error: unknown command 'rnu'
      (Did you mean run?)
      (--help shows what there is)
      "
    `);
    expect(await errorOf("run", QUICK, "--thread", "1")).toMatchInlineSnapshot(`
      "exit 2
      error: unknown option '--thread'
      (Did you mean --threads?)
      (--help shows what there is)
      "
    `);
    expect(await errorOf("compare", QUICK, "--seeds", "0")).toMatchInlineSnapshot(`
      "exit 2
      error: option '--seeds <n>' argument '0' is invalid. It must be a whole number of at least 1.
      (--help shows what there is)
      "
    `);
    expect(await errorOf("data", "fetch", "imagenet")).toMatchInlineSnapshot(`
      "exit 2
      error UNKNOWN_DATA: no known data set is called imagenet
        fix: known are mnist, movielens-latest-small
        see docs/errors.md#unknown_data
      "
    `);
  });

  it("gets its line when the run itself finds it", async () => {
    const before = (): never => {
      throw new InputError([
        { code: "MISSING_DATA", message: "no data at x", path: ["data", "kind"] },
      ]);
    };
    const io = fakeIo(folder);
    expect(await runCli(["run", QUICK], io, { engine: fakeEngine({ before }) })).toBe(3);
    expect(io.stderr()).toMatch(/softmax-quick\.yaml:8:9\n {2}data\.kind: no data at x/);
  });

  it("is JSON on stdout with --json, and has a stack with --debug only", async () => {
    const before = (): never => {
      throw new Error("oops");
    };
    const io = fakeIo(folder);
    expect(await runCli(["run", QUICK, "--json"], io, { engine: fakeEngine({ before }) })).toBe(1);
    expect(JSON.parse(io.stdout())).toEqual({ error: { code: "BUG", message: "oops" } });
    expect(io.stderr()).not.toContain("    at ");
    const debug = fakeIo(folder);
    await runCli(["run", QUICK, "--debug"], debug, { engine: fakeEngine({ before }) });
    expect(debug.stderr()).toContain("    at ");
  });
});

describe("help and lists", () => {
  const outOf = async (...argv: string[]): Promise<string> => {
    const io = fakeIo(folder);
    expect(await runCli(argv, io)).toBe(0);
    return io.stdout();
  };

  it("leads with examples", async () => {
    expect(await outOf("--help")).toMatchSnapshot();
    expect((await outOf("run", "--help")).replace(/default: \d/, "default: 2")).toMatchSnapshot();
    expect(await outOf("systems")).toMatchSnapshot();
  });

  it("has --json on every list", async () => {
    for (const argv of [["systems"], ["data", "list"], ["data", "path"]]) {
      expect(typeof JSON.parse(await outOf(...argv, "--json"))).toBe("object");
    }
    expect((await outOf("--version")).trim()).toMatch(/^\d+\.\d+\.\d+$/);
  });
});

it("every error code in the source has a section in docs/errors.md, and so has every exit code", async () => {
  const page = await readFile("docs/errors.md", "utf8");
  const sections = new Set([...page.matchAll(/^### (\S+)$/gm)].map((match) => match[1]));
  const files = (await readdir("src", { recursive: true })).filter((file) => file.endsWith(".ts"));
  const codes = new Set<string>();
  for (const file of files) {
    const text = await readFile(join("src", file), "utf8");
    const pattern = /(?:new PangaeaError\(|\bcode:)\s*(?:[^"\n]*\?\?\s*)?"([A-Z][A-Z_]+)"/g;
    for (const match of text.matchAll(pattern)) codes.add(match[1]!);
  }
  for (const inner of ["CANCELLED", "TIMEOUT", "ENOENT"]) codes.delete(inner);
  expect([...codes].filter((code) => !sections.has(code))).toEqual([]);
  expect(codes.size).toBeGreaterThan(20);
  for (const code of ["0", "1", "2", "3", "4", "5", "130"]) expect(sections).toContain(code);
});
