/** The NATS servers of `deploy/`, really started: their files and ports on this machine, all else as it stands there. */
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { SECOND } from "../../src/core/units.ts";
import { connectNats } from "../../src/world/bus/nats.ts";
import { realTimers } from "../../src/world/bus/timers.ts";
import { type Guarded, guard } from "../../src/world/cluster/private-nats.ts";
import { freePort } from "../world/nats-server.ts";
import { read } from "./source.ts";

const prerequisites = "../../scripts/test-prerequisites.mjs";
export const { findNatsServer } = (await import(prerequisites)) as {
  readonly findNatsServer: () => string | undefined;
};

export interface Joined {
  /** Whose configuration `nats-server -t` takes. */
  readonly checked: readonly string[];
  /** What a coordinator at one site hears from a node at the other, with its entry in the hub's domain. */
  echo(from: string, to: string): Promise<string>;
  stop(): Promise<void>;
}

/** @param sites the first is the hub. @param secrets as docs/deploy.md makes them */
export async function joinSites(secrets: string, sites: readonly string[]): Promise<Joined> {
  const program = findNatsServer() ?? "nats-server";
  const folder = mkdtempSync(join(tmpdir(), "pangaea-deploy-nats-"));
  const leafPort = await freePort();
  const ports = new Map<string, number>();
  const servers: Guarded[] = [];
  const checked: string[] = [];
  const stop = async (): Promise<void> => {
    for (const server of servers) await server.end();
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    for (const site of sites) {
      const own = join(folder, site);
      mkdirSync(join(own, "tls"), { recursive: true });
      for (const name of ["ca.crt", "node.crt", "node.key"]) {
        copyFileSync(join(secrets, `nats-${site}`, name), join(own, "tls", name));
      }
      copyFileSync(join(secrets, "accounts.conf"), join(own, "accounts.conf"));
      const port = await freePort();
      ports.set(site, port);
      const config = join(own, `${site}.conf`);
      const moved = read(`deploy/nats/${site}.conf`)
        .replaceAll("/etc/nats", own)
        .replaceAll("/var/lib/nats", join(own, "js"))
        .replace("0.0.0.0:4222", `127.0.0.1:${port}`)
        .replace("0.0.0.0:7422", `127.0.0.1:${leafPort}`)
        .replace("tls://hub.example.org:7422", `tls://localhost:${leafPort}`)
        .replace("127.0.0.1:8222", `127.0.0.1:${await freePort()}`);
      writeFileSync(config, moved);
      execFileSync(program, ["-t", "-c", config], { stdio: "pipe" });
      checked.push(site);
      servers.push(await start(program, config, site !== sites[0]));
    }
  } catch (error) {
    await stop();
    throw error;
  }
  const connect = (site: string, role: "coordinator" | "node") => {
    const file = (...path: readonly string[]): string =>
      readFileSync(join(secrets, ...path), "utf8");
    const own = role === "node" ? `agent-${site}` : "coordinator";
    const [ca, cert, key] = ["ca.crt", "node.crt", "node.key"].map((name) => file(own, name));
    return connectNats({
      // The certificate's own name: the server is checked by it.
      servers: [`tls://localhost:${ports.get(site)}`],
      id: own,
      deadline: 10 * SECOND,
      auth: { kind: "nkey", seed: file("keys", `${role}.seed`) },
      tls: { ca, cert, key },
      timers: realTimers(),
    });
  };
  const echo = async (from: string, to: string): Promise<string> => {
    const asks = await connect(from, "coordinator");
    const answers = await connect(to, "node");
    try {
      const members = await asks.kv("members", { domain: "hub" });
      await (await answers.kv("members", { domain: "hub" })).put("node", encode(`in ${to}`));
      return `heard ${new TextDecoder().decode((await members.get("node"))?.value)}`;
    } finally {
      await asks.close();
      await answers.close();
    }
  };
  return { checked, echo, stop };
}

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);

/** @param joins it is ready when its leaf connection stands, too */
function start(program: string, config: string, joins: boolean): Promise<Guarded> {
  const server = guard(program, dirname(config), ["-c", config]);
  return new Promise((resolve, reject) => {
    let log = "";
    server.process.stderr?.on("data", (data: Buffer) => {
      log += data.toString();
      const ready = /Server is ready/.test(log);
      if (ready && (!joins || /Leafnode connection created/.test(log))) resolve(server);
    });
    server.process.once("exit", () => reject(new Error(`nats-server ended:\n${log}`)));
  });
}
