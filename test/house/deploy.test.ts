/**
 * What `deploy/` holds and docs/deploy.md says: its keys and certificates are made here by its own commands, NATS takes
 * its configurations, manifests obey their schemas, and every reference leads somewhere.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parse, parseAllDocuments } from "yaml";
import { withNode, withRun } from "../../src/cli/options.ts";
import { kubernetesProblems } from "../world/kubernetes-schemas.ts";
import { problems } from "../world/schema.ts";
import { findNatsServer, joinSites } from "./deploy-nats.ts";
import { CHART, COMPOSE } from "./deploy-schemas.ts";
import { ROOT, read, trackedFiles } from "./source.ts";

const PAGE = read("docs/deploy.md");
const blocks = [...PAGE.matchAll(/^```bash\n([\s\S]*?)^```$/gm)].map(([, text = ""]) => text);
const lines = blocks.flatMap((text) => text.split("\n")).filter((line) => line.trim() !== "");

/** Where the page's own commands made keys and certificates. */
let folder: string;
const made = (...path: readonly string[]): string => join(folder, ...path);

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "pangaea-deploy-"));
  const own = `pangaea() { "${process.execPath}" "${join(ROOT, "dist/cli/main.js")}" "$@"; }`;
  const script = blocks.slice(0, 5).join("\n");
  execFileSync("bash", ["-e", "-c", `${own}\n${script}`], { cwd: folder, stdio: "pipe" });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("keys and certificates", () => {
  test("are made by the page's commands", () => {
    for (const file of ["accounts.conf", "keys-node/node.seed", "keys-node/coordinator.pub"]) {
      expect(existsSync(made("secrets", file)), file).toBe(true);
    }
    const machines = ["nats-hub", "nats-oregon", "nats-ireland", "agent-oregon", "agent-ireland"];
    for (const machine of [...machines, "coordinator"]) {
      const words = ["verify", "-CAfile", made("secrets/ca.crt")];
      const said = execFileSync("openssl", [...words, made("secrets", machine, "node.crt")]);
      expect(String(said)).toContain("OK");
    }
  });

  test("agents hold no more than their own seed", () => {
    const held = readFileSync(made("secrets/keys-node/node.seed"), "utf8");
    expect(held).toMatch(/^SU/);
    expect(existsSync(made("secrets/keys-node/coordinator.seed"))).toBe(false);
  });
});

describe("NATS", () => {
  test("the hub and two sites join with mutual TLS; a site's node reaches the hub's domain", async () => {
    expect(findNatsServer()).toBeDefined();
    const joined = await joinSites(made("secrets"), ["hub", "oregon", "ireland"]);
    try {
      expect(joined.checked).toEqual(["hub", "oregon", "ireland"]);
      expect(await joined.echo("oregon", "ireland")).toBe("heard in ireland");
    } finally {
      await joined.stop();
    }
  });
});

/** The real command line's options, without what the verbs do. */
function parsed(words: readonly string[]): Readonly<Record<string, unknown>> {
  const [verb, ...rest] = words;
  const bare = new Command(verb).exitOverride().configureOutput({ writeErr: () => {} });
  const command = verb === "node" ? withNode(bare) : withRun(bare.argument("<file>"));
  command.parse([...rest], { from: "user" });
  return command.opts();
}

describe("commands", () => {
  test("every pangaea command of the page is one of the real command line", () => {
    const commands = lines
      .filter((line) => line.startsWith("pangaea "))
      .map((line) => line.split(/\s+/).slice(1));
    expect(commands.map(([verb]) => verb).sort()).toEqual(["keys", "node", "run"]);
    for (const words of commands.filter(([verb]) => verb !== "keys")) {
      const options = parsed(words);
      for (const key of ["keys", "tlsCa", "tlsCert", "tlsKey"]) {
        expect(existsSync(made(String(options[key]))), `${words[0]}: ${key}`).toBe(true);
      }
    }
  });

  test("what they name in deploy is there", () => {
    const named = [...PAGE.matchAll(/\b(deploy\/[\w./-]+\.\w+|deploy\/Dockerfile)/g)];
    expect(named.length).toBeGreaterThan(10);
    expect(named.filter(([, path = ""]) => !existsSync(join(ROOT, path)))).toEqual([]);
  });

  test("a wrong one is seen", () => {
    expect(() => parsed(["node", "--site", "x", "--rolls", "worker"])).toThrow(/unknown option/);
    expect(() => parsed(["node", "--site", "x", "--slots", "none"])).toThrow(/whole number/);
  });
});

describe("systemd", () => {
  const unit = read("deploy/systemd/pangaea-node.service");
  const settings = Object.fromEntries(
    [...read("deploy/systemd/node.env").matchAll(/^(\w+)=(.*)$/gm)].map(([, k, v]) => [k, v]),
  );

  test("the unit's command is one, with the settings that the file has", () => {
    const [, command = ""] = /^ExecStart=\/usr\/bin\/env pangaea (.*)$/m.exec(unit) ?? [];
    const filled = command.replace(/\$\{(\w+)\}/g, (_, name: string) => {
      expect(settings, name).toHaveProperty(name);
      return settings[name] ?? "";
    });
    expect(parsed(filled.split(" "))).toMatchObject({
      site: "oregon",
      roles: ["worker", "server"],
    });
    expect(Object.keys(settings).filter((name) => !command.includes(`\${${name}}`))).toEqual([]);
  });

  test("systemd takes it", () => {
    const sections = [...unit.matchAll(/^\[(\w+)\]$/gm)].map(([, name]) => name);
    expect(sections).toEqual(["Unit", "Service", "Install"]);
    const wrong = unit
      .split("\n")
      .filter((line) => line !== "" && !/^(#|\[\w+\]$|[A-Z]\w+=)/.test(line));
    expect(wrong).toEqual([]);
    // Where there is systemd it knows better than this.
    const verify = ["verify", join(ROOT, "deploy/systemd/pangaea-node.service")];
    const { error, stderr, status } = spawnSync("systemd-analyze", verify, { encoding: "utf8" });
    if (error) expect((error as NodeJS.ErrnoException).code).toBe("ENOENT");
    else
      expect({ status, said: stderr.split("\n").filter((l) => /pangaea-node/.test(l)) }).toEqual({
        status: 0,
        said: [],
      });
  });
});

interface Compose {
  readonly services: Readonly<
    Record<
      string,
      {
        readonly command: readonly string[];
        readonly volumes: readonly string[];
        readonly depends_on?: readonly string[] | Readonly<Record<string, unknown>>;
      }
    >
  >;
  readonly volumes: Readonly<Record<string, unknown>>;
}

describe("compose", () => {
  const file = parse(read("deploy/compose.yaml")) as Compose;
  const services = Object.entries(file.services);

  test("obeys its schema", () => expect(problems(COMPOSE, file)).toEqual([]));

  test("its references lead somewhere", () => {
    for (const [name, { volumes, depends_on = [] }] of services) {
      const others = Array.isArray(depends_on) ? depends_on : Object.keys(depends_on);
      for (const other of others) expect(file.services, name).toHaveProperty(other);
      for (const [source = ""] of volumes.map((volume) => volume.split(":"))) {
        if (!source.startsWith("./")) expect(file.volumes).toHaveProperty(source);
        // Data are the user's own.
        else if (source.startsWith("./secrets/"))
          expect(existsSync(made(source)), source).toBe(true);
        else if (!source.startsWith("./data/")) {
          expect(existsSync(join(ROOT, "deploy", source)), source).toBe(true);
        }
      }
    }
  });

  test("its agents are started as the command line wants it", () => {
    const agents = services.filter(([name]) => name.startsWith("agent-"));
    expect(agents.map(([, { command }]) => parsed(command)["site"])).toEqual(["oregon", "ireland"]);
  });
});

interface KubeObject {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly data?: Readonly<Record<string, string>>;
  readonly resources?: readonly string[];
  readonly spec?: {
    readonly serviceName?: string;
    readonly template?: {
      readonly spec: {
        readonly serviceAccountName: string;
        readonly volumes: readonly { readonly secret?: { readonly secretName: string } }[];
        readonly containers: readonly {
          readonly args: readonly string[];
          readonly env: readonly {
            readonly name: string;
            readonly valueFrom?: { readonly configMapKeyRef?: { name: string; key: string } };
          }[];
        }[];
      };
    };
  };
}

describe("Kubernetes", () => {
  const manifests = trackedFiles("deploy/kubernetes").filter((path) => !/nats-/.test(path));
  const objects = manifests.flatMap((path) =>
    parseAllDocuments(read(path)).map((document) => document.toJS() as KubeObject),
  );
  const there = (kind: string, name: string | undefined): KubeObject | undefined =>
    objects.find((one) => one.kind === kind && one.metadata.name === name);
  const sets = objects.filter(({ kind }) => kind === "StatefulSet");

  test.each(objects.map((object) => [object.kind, object] as const))("%s is valid", (_, object) =>
    expect(kubernetesProblems(object)).toEqual([]),
  );

  test("the set holds every manifest", () => {
    const set = objects.find(({ kind }) => kind === "Kustomization");
    const others = manifests
      .map((path) => path.split("/").at(-1))
      .filter((n) => n !== "kustomization.yaml");
    expect([...(set?.resources ?? [])].sort()).toEqual(others.sort());
  });

  test("references lead to objects of the set, or to secrets that the page makes", () => {
    expect(sets.length).toBe(2);
    for (const { spec } of sets) {
      const pod = spec?.template?.spec;
      expect(there("Service", spec?.serviceName)).toBeDefined();
      expect(there("ServiceAccount", pod?.serviceAccountName)).toBeDefined();
      for (const { secret } of pod?.volumes ?? []) {
        if (secret) expect(PAGE).toContain(`create secret generic ${secret.secretName} `);
      }
      for (const { valueFrom } of pod?.containers[0]?.env ?? []) {
        const wanted = valueFrom?.configMapKeyRef;
        if (wanted) expect(there("ConfigMap", wanted.name)?.data).toHaveProperty(wanted.key);
      }
    }
  });

  test("agents are started as the command line wants it, with variables that they have", () => {
    for (const { spec } of sets) {
      const [container] = spec?.template?.spec.containers ?? [];
      const names = (container?.env ?? []).map(({ name }) => name);
      const used = (container?.args ?? []).flatMap((word) =>
        [...word.matchAll(/\$\((\w+)\)/g)].map(([, name = ""]) => name),
      );
      expect(used.filter((name) => !names.includes(name))).toEqual([]);
      expect(parsed(container?.args ?? [])["health"]).toBe("0.0.0.0:8080");
    }
  });

  test.each(["deploy/kubernetes/nats-hub.yaml", "deploy/kubernetes/nats-site.yaml"])(
    "%s has keys that the chart knows",
    (path) => expect(problems(CHART, parse(read(path)))).toEqual([]),
  );
});
