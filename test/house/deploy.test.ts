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
    expect(existsSync(made("secrets/keys-coordinator/node.seed"))).toBe(false);
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
    expect(commands.map(([verb]) => verb).sort()).toEqual(["keys", "node", "node", "run"]);
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

const UNITS = [
  ["pangaea-node.service", "node.env", { site: "oregon", roles: ["worker", "server"] }],
  ["pangaea-coordinator.service", "coordinator.env", { roles: ["coordinator"], domain: "hub" }],
] as const;

describe.each(UNITS)("systemd: %s", (name, env, meant) => {
  const unit = read(`deploy/systemd/${name}`);
  const settings = Object.fromEntries(
    [...read(`deploy/systemd/${env}`).matchAll(/^(\w+)=(.*)$/gm)].map(([, k, v]) => [k, v]),
  );

  test("its command is one, with the settings that the file has", () => {
    const [, command = ""] = /^ExecStart=\/usr\/bin\/env pangaea (.*)$/m.exec(unit) ?? [];
    const filled = command.replace(/\$\{(\w+)\}/g, (_, setting: string) => {
      expect(settings, setting).toHaveProperty(setting);
      return settings[setting] ?? "";
    });
    expect(parsed(filled.split(" "))).toMatchObject(meant);
    expect(Object.keys(settings).filter((key) => !command.includes(`\${${key}}`))).toEqual([]);
    expect(unit).toContain(`EnvironmentFile=/etc/pangaea/${env}\n`);
  });

  test("the page puts in place what it names", () => {
    const installed = lines.filter((line) => line.startsWith("install ")).join("\n");
    for (const [path] of unit.matchAll(/\/etc\/pangaea\/[\w./-]*\w/g)) {
      const [folder, file] = [path.slice(0, path.lastIndexOf("/")), path.split("/").at(-1) ?? ""];
      const put = path.endsWith("/keys") ? `pub ${path}/` : `${file}.* ${folder}/`;
      expect(installed, path).toMatch(new RegExp(put));
    }
  });

  test("systemd takes it", () => {
    const sections = [...unit.matchAll(/^\[(\w+)\]$/gm)].map(([, section]) => section);
    expect(sections).toEqual(["Unit", "Service", "Install"]);
    const wrong = unit
      .split("\n")
      .filter((line) => line !== "" && !/^(#|\[\w+\]$|[A-Z]\w+=)/.test(line));
    expect(wrong).toEqual([]);
    // Where there is systemd it knows better than this.
    const verify = ["verify", join(ROOT, "deploy/systemd", name)];
    const { error, stderr, status } = spawnSync("systemd-analyze", verify, { encoding: "utf8" });
    if (error) expect((error as NodeJS.ErrnoException).code).toBe("ENOENT");
    else
      expect({ status, said: stderr.split("\n").filter((l) => l.includes("pangaea-")) }).toEqual({
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
        readonly working_dir?: string;
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

  test("a coordinator stands by, and keeps what it writes in a volume", () => {
    const { command, working_dir, volumes } = file.services["coordinator"]!;
    expect(parsed(command)["roles"]).toEqual(["coordinator"]);
    expect(volumes).toContain(`coordinator:${working_dir}`);
    expect(read("deploy/Dockerfile")).toContain(`install -d -o 1000 -g 1000 ${working_dir}\n`);
  });
});

interface KubeObject {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly data?: Readonly<Record<string, string>>;
  readonly resources?: readonly string[];
  readonly spec?: {
    readonly serviceName?: string;
    readonly selector?: Readonly<Record<string, unknown>>;
    readonly template?: {
      readonly metadata: { readonly labels: Readonly<Record<string, string>> };
      readonly spec: {
        readonly serviceAccountName: string;
        readonly volumes: readonly {
          readonly name: string;
          readonly secret?: { readonly secretName: string };
          readonly persistentVolumeClaim?: { readonly claimName: string };
        }[];
        readonly containers: readonly {
          readonly args: readonly string[];
          readonly workingDir?: string;
          readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string }[];
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
  const sets = objects.filter(({ kind }) => /^(StatefulSet|Deployment)$/.test(kind));

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
    expect(sets.map(({ kind }) => kind)).toEqual(["Deployment", "StatefulSet", "StatefulSet"]);
    for (const { kind, spec } of sets) {
      const pod = spec?.template?.spec;
      if (kind === "StatefulSet") expect(there("Service", spec?.serviceName)).toBeDefined();
      expect(there("ServiceAccount", pod?.serviceAccountName)).toBeDefined();
      for (const { secret, persistentVolumeClaim: claim } of pod?.volumes ?? []) {
        if (claim) expect(there("PersistentVolumeClaim", claim.claimName)).toBeDefined();
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

  test("the coordinator stands by, keeps what it writes in its volume, and is no agent", () => {
    const [standby] = sets.filter(({ kind }) => kind === "Deployment");
    const pod = standby?.spec?.template?.spec;
    const [container] = pod?.containers ?? [];
    expect(parsed(container?.args ?? [])["roles"]).toEqual(["coordinator"]);
    const { claimName } = pod?.volumes.find(({ name }) => name === "state")
      ?.persistentVolumeClaim ?? { claimName: "" };
    expect(claimName).toBe("pangaea-coordinator");
    expect(container?.volumeMounts).toContainEqual({
      ...{ name: "state", mountPath: container?.workingDir },
    });
    const labels = standby?.spec?.template?.metadata.labels;
    const chosen = there("Service", "pangaea-nodes")?.spec?.selector ?? {};
    expect(labels).not.toMatchObject(chosen);
  });

  test.each(["deploy/kubernetes/nats-hub.yaml", "deploy/kubernetes/nats-site.yaml"])(
    "%s has keys that the chart knows",
    (path) => expect(problems(CHART, parse(read(path)))).toEqual([]),
  );
});
