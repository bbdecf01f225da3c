/** Keys, certificates and addresses of a cluster, from the command line's options. */
import { existsSync, readFileSync, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { InputError } from "../core/errors.ts";
import type { BusRole } from "../world/bus/accounts.ts";
import type { ClusterAccess } from "../world/cluster/access.ts";
import type { HostAddress } from "../world/live/protocol.ts";
import type { Credentials } from "../world/wire/options.ts";
import { packageVersion } from "./folders.ts";
import type { Io } from "./io.ts";
import type { ClusterOptions } from "./options.ts";

/** The coordinator's public key, beside the seeds. */
export const COORDINATOR_KEY = "coordinator.pub";

/** @param role whose seed is read. @throws InputError for files that are not there. */
export function clusterAccess(options: ClusterOptions, role: BusRole, io: Io): ClusterAccess {
  const { keys, insecure } = options;
  return {
    version: packageVersion(),
    insecure: insecure ?? false,
    tls: tlsOf(options, io),
    flags: flagsOf(options, io),
    ...(keys === undefined ? {} : keysOf(resolve(io.cwd, keys), role)),
  };
}

/** The same again, for agents that a run starts. */
function flagsOf(options: ClusterOptions, { cwd }: Io): readonly string[] {
  const { keys, tlsCa, tlsCert, tlsKey, insecure } = options;
  const files = { "--keys": keys, "--tls-ca": tlsCa, "--tls-cert": tlsCert, "--tls-key": tlsKey };
  const named = Object.entries(files).flatMap(([flag, path]) =>
    path === undefined ? [] : [flag, resolve(cwd, path)],
  );
  return insecure ? [...named, "--insecure"] : named;
}

/** A folder of seeds, or one seed with the coordinator's public key beside it. */
function keysOf(path: string, role: BusRole): Pick<ClusterAccess, "seed" | "coordinatorKey"> {
  const folder = existsSync(path) && statSync(path).isDirectory();
  const seed = folder ? join(path, `${role}.seed`) : path;
  const publicKey = join(folder ? path : dirname(path), COORDINATOR_KEY);
  return { seed: textOf(seed, "--keys"), coordinatorKey: textOf(publicKey, "--keys").trim() };
}

function tlsOf(options: ClusterOptions, io: Io): Credentials | undefined {
  const { tlsCa, tlsCert, tlsKey } = options;
  if (tlsCa === undefined && tlsCert === undefined && tlsKey === undefined) return undefined;
  const read = (path: string | undefined, flag: string): string => {
    if (path !== undefined) return textOf(resolve(io.cwd, path), flag);
    throw wrong(
      "MISSING_FILE",
      `${flag} is not given`,
      "all three: --tls-ca, --tls-cert, --tls-key",
    );
  };
  return {
    ca: read(tlsCa, "--tls-ca"),
    cert: read(tlsCert, "--tls-cert"),
    key: read(tlsKey, "--tls-key"),
  };
}

function textOf(path: string, flag: string): string {
  if (!existsSync(path)) throw wrong("MISSING_FILE", `${flag}: there is no file ${path}`);
  return readFileSync(path, "utf8");
}

/** "host", "host:port", "[::1]:port". @param port where none is given. */
export function addressOf(text: string, port = 0): HostAddress {
  const parts = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d+))?$/.exec(text);
  const host = parts?.[1] ?? parts?.[2];
  if (!host) throw wrong("BAD_ADDRESS", `${text} is no address`, "host, host:port or [v6]:port");
  return { host, port: parts?.[3] === undefined ? port : Number(parts[3]) };
}

const wrong = (code: string, message: string, fix?: string): InputError =>
  new InputError([{ code, message, fix }]);
