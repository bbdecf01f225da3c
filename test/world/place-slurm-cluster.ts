/**
 * A Slurm of three nodes on this machine, from its real daemons, without munge and without root: everything belongs to
 * one user (`slurm` where the tests run as root, since slurmrestd refuses root), so jobs can be of that user only.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { freePort } from "./nats-server.ts";

type Programs = Readonly<Record<"slurmctld" | "slurmd" | "srun" | "slurmrestd", string>>;

export interface SlurmCluster {
  /** Of slurmrestd, which trusts the socket's user. */
  readonly address: string;
  /** Of another over TCP, which wants a JSON Web Token. */
  readonly guarded: string;
  /** Whose jobs they are. */
  readonly user: string;
  /** A token of that user, as `scontrol token` makes it. */
  token(): string;
  /** Where jobs may write. */
  readonly folder: string;
  /** For `SLURM_CONF`. */
  readonly config: string;
  stop(): Promise<void>;
}

interface User {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

function slurmUser(): User {
  const { username, uid, gid } = userInfo();
  if (uid !== 0) return { name: username, uid, gid };
  const id = (flag: string): number =>
    Number(execFileSync("id", [flag, "slurm"], { encoding: "utf8" }));
  return { name: "slurm", uid: id("-u"), gid: id("-g") };
}

const NODES = [
  { name: "n1", features: "oregon", gres: "" },
  { name: "n2", features: "ireland", gres: "" },
  { name: "n3", features: "oregon,big", gres: "Gres=gpu:1" },
] as const;

/** On the same machine, and yet another's: what dials it must have asked for it. */
export const nodeAddress = (node: number): string => `127.0.0.${21 + node}`;

function configuration(folder: string, user: User, ports: readonly number[]): string {
  const nodes = NODES.map(
    ({ name, features, gres }, i) =>
      `NodeName=${name} NodeAddr=${nodeAddress(i)} Port=${ports[i + 1]} CPUs=2 RealMemory=1000 ` +
      `Features=${features} ${gres} State=UNKNOWN`,
  );
  return `ClusterName=virtual
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort=${ports[0]}
SlurmUser=${user.name}
SlurmdUser=${user.name}
AuthType=auth/none
AuthAltTypes=auth/jwt
AuthAltParameters=jwt_key=${folder}/jwt.key
CredType=cred/none
StateSaveLocation=${folder}/state
SlurmdSpoolDir=${folder}/spool-%n
SlurmctldPidFile=${folder}/slurmctld.pid
SlurmdPidFile=${folder}/slurmd-%n.pid
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerType=sched/builtin
SchedulerParameters=sched_min_interval=0,batch_sched_delay=0
GresTypes=gpu
MpiDefault=none
KillWait=2
${nodes.join("\n")}
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
`;
}

export async function startSlurm(): Promise<SlurmCluster> {
  const path = "../../scripts/test-prerequisites.mjs";
  const { findSlurm } = (await import(path)) as { findSlurm: () => Programs };
  const programs = findSlurm();
  const user = slurmUser();
  const folder = mkdtempSync(join(tmpdir(), "pangaea-slurm-"));
  const jobs = join(folder, "jobs");
  for (const at of [jobs, join(folder, "state")]) {
    mkdirSync(at);
    chownSync(at, user.uid, user.gid);
  }
  chownSync(folder, user.uid, user.gid);
  chmodSync(folder, 0o755);
  const key = join(folder, "jwt.key");
  writeFileSync(key, randomBytes(32), { mode: 0o600 });
  chownSync(key, user.uid, user.gid);
  const ports = await Promise.all([0, ...NODES].map(freePort));
  const guarded = `127.0.0.1:${await freePort()}`;
  const config = join(folder, "slurm.conf");
  writeFileSync(config, configuration(folder, user, ports));
  writeFileSync(join(folder, "gres.conf"), "NodeName=n3 Name=gpu File=/dev/null\n");
  const socket = join(folder, "rest.socket");
  const daemons: ChildProcess[] = [];
  let log = "";
  const ids = process.getuid?.() === 0 ? { uid: user.uid, gid: user.gid } : {};
  const env: NodeJS.ProcessEnv = { ...process.env, SLURM_CONF: config };
  const startIn = (env: NodeJS.ProcessEnv, program: string, ...args: readonly string[]): void => {
    const daemon = spawn(program, args, { ...ids, env, cwd: folder, stdio: "pipe" });
    daemon.stderr.on("data", (data: Buffer) => {
      log += data.toString();
    });
    daemon.stdout.resume();
    daemons.push(daemon);
  };
  const start = (program: string, ...args: readonly string[]): void =>
    startIn(env, program, ...args);
  start(programs.slurmctld, "-D", "-f", config);
  for (const { name } of NODES) start(programs.slurmd, "-D", "-N", name, "-f", config);
  const plugins = "openapi/v0.0.38,openapi/v0.0.37,openapi/v0.0.36";
  const rest = ["-f", config, "-s", plugins, "-a"];
  start(programs.slurmrestd, ...rest, "rest_auth/local", `unix:${socket}`);
  // "daemon": what it is asked goes on with the token of whoever asks, not with its own rights.
  startIn({ ...env, SLURM_JWT: "daemon" }, programs.slurmrestd, ...rest, "rest_auth/jwt", guarded);
  const token = (): string => {
    const words = ["token", "lifespan=600"];
    const said = execFileSync("scontrol", words, { ...ids, env, encoding: "utf8" });
    return said.trim().replace(/^SLURM_JWT=/, "");
  };
  const stop = async (): Promise<void> => {
    await Promise.all(daemons.map(end));
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    await ready(config, socket, () => log);
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    ...{ address: `unix:${socket}`, guarded: `http://${guarded}`, user: user.name, token },
    ...{ folder: jobs, config, stop },
  };
}

async function end(daemon: ChildProcess): Promise<void> {
  if (daemon.exitCode !== null || daemon.signalCode !== null) return;
  const gone = once(daemon, "exit");
  daemon.kill("SIGKILL");
  await gone;
}

/** Slurm tells nobody when its nodes have come: it is asked until they have. */
async function ready(config: string, socket: string, log: () => string): Promise<void> {
  const env = { ...process.env, SLURM_CONF: config };
  let said = "";
  for (let tries = 0; tries < 100; tries++) {
    try {
      const words = ["--noheader", "--Node", "--format=%T"];
      const stdio = ["ignore", "pipe", "ignore"] as const;
      said = execFileSync("sinfo", words, { env, encoding: "utf8", stdio: [...stdio] });
      const states = said.trim().split("\n");
      if (states.length === NODES.length && states.every((state) => state === "idle")) return;
    } catch {
      // Not yet.
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`Slurm's nodes did not come (${socket}):\n${said}\n${log()}`);
}
