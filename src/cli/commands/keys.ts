/** `pangaea keys`: a key per role, and the account file that lets nats-server know them. */
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { PangaeaError } from "../../core/errors.ts";
import { accountFile, BUS_ROLES, createRoleKey } from "../../world/bus/accounts.ts";
import { COORDINATOR_KEY } from "../cluster.ts";
import { EXIT } from "../exit.ts";
import type { Io } from "../io.ts";
import type { CommonOptions } from "../options.ts";
import { layout } from "../terminal/columns.ts";

export interface KeysOptions extends CommonOptions {
  readonly out: string;
}

const ACCOUNTS = "accounts.conf";
/** Only their owner reads seeds. */
const SECRET = 0o600;
const FOLDER = 0o700;

export async function keysCommand(options: KeysOptions, io: Io): Promise<number> {
  const folder = resolve(io.cwd, options.out);
  const keys = BUS_ROLES.map((role) => ({ ...createRoleKey(role), file: `${role}.seed` }));
  const there = [ACCOUNTS, COORDINATOR_KEY, ...keys.map(({ file }) => file)].find((file) =>
    existsSync(join(folder, file)),
  );
  if (there !== undefined) {
    throw new PangaeaError("KEYS_EXIST", `${options.out} holds ${there} already`, {
      fix: "name another folder with --out: replaced keys would lock out the nodes that have them",
    });
  }
  mkdirSync(folder, { recursive: true, mode: FOLDER });
  for (const { file, seed } of keys) {
    writeFileSync(join(folder, file), `${seed}\n`, { mode: SECRET, flag: "wx" });
  }
  const coordinator = keys.find(({ role }) => role === "coordinator");
  writeFileSync(join(folder, COORDINATOR_KEY), `${coordinator?.publicKey}\n`, { flag: "wx" });
  writeFileSync(join(folder, ACCOUNTS), accountFile(keys), { flag: "wx" });
  const written = keys.map(({ role, publicKey, file }) => ({
    role,
    publicKey,
    seed: relative(io.cwd, join(folder, file)),
  }));
  const accounts = relative(io.cwd, join(folder, ACCOUNTS));
  if (options.json) io.out(`${JSON.stringify({ accounts, keys: written })}\n`);
  else {
    const column = (head: string, cells: readonly string[]) =>
      ({ head, cells, align: "left" }) as const;
    const columns = [
      column(
        "role",
        written.map(({ role }) => role),
      ),
      column(
        "seed (secret)",
        written.map(({ seed }) => seed),
      ),
      column(
        "public key",
        written.map(({ publicKey }) => publicKey),
      ),
    ];
    io.out(`${layout(columns, io.columns()).join("\n")}\n\n`);
    io.out(`Put into the configuration of nats-server:  include ${JSON.stringify(accounts)}\n`);
  }
  return EXIT.done;
}
