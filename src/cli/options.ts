/** The options that verbs share, and what they mean for an experiment. */
import { availableParallelism } from "node:os";
import { type Command, InvalidArgumentError, Option } from "commander";

export interface CommonOptions {
  readonly json?: boolean | undefined;
  readonly debug?: boolean | undefined;
}

/** What `pangaea export` writes. */
export const EXPORT_FORMATS = ["onnx", "safetensors", "npz"] as const;

const WORLDS = ["simulated", "local", "cluster"] as const;
const HOSTS = ["threads", "processes"] as const;
const PLACES = ["processes", "slurm", "kubernetes", "ray"] as const;

/** How a cluster is reached. */
export interface ClusterOptions {
  readonly nats?: readonly string[] | undefined;
  readonly domain?: string | undefined;
  readonly keys?: string | undefined;
  readonly tlsCa?: string | undefined;
  readonly tlsCert?: string | undefined;
  readonly tlsKey?: string | undefined;
  readonly insecure?: boolean | undefined;
}

export interface RunOptions extends CommonOptions, ClusterOptions {
  readonly world?: (typeof WORLDS)[number] | undefined;
  readonly hosts?: (typeof HOSTS)[number] | undefined;
  readonly on?: (typeof PLACES)[number] | undefined;
  readonly image?: string | undefined;
  readonly seed?: number | undefined;
  readonly out?: string | undefined;
  readonly set?: readonly string[] | undefined;
  readonly data?: string | undefined;
  readonly threads: number;
}

const collect = (value: string, before: readonly string[] = []): readonly string[] => [
  ...before,
  value,
];

export const list = (value: string): readonly string[] =>
  value
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "");

const whole =
  (least: number) =>
  (value: string): number => {
    const number = Number(value);
    if (Number.isSafeInteger(number) && number >= least) return number;
    throw new InvalidArgumentError(`It must be a whole number of at least ${least}.`);
  };

export const positive = whole(1);

export const withCommon = (command: Command): Command =>
  command
    .option("--json", "print JSON on stdout, and nothing else there")
    .option("--debug", "print the stack of an error");

const withCluster = (command: Command): Command =>
  command
    .option("--nats <urls>", "servers of the cluster (default: nats://127.0.0.1:4222)", list)
    .option("--domain <name>", "JetStream domain that keeps members and runs")
    .option("--keys <folder>", "keys as `pangaea keys` makes them")
    .option("--tls-ca <file>", "authority of the certificates, for NATS and between hosts")
    .option("--tls-cert <file>", "this machine's certificate")
    .option("--tls-key <file>", "the key of the certificate")
    .option("--insecure", "without keys; on loopback only");

export interface ResumeOptions extends CommonOptions, ClusterOptions {
  readonly out?: string | undefined;
  readonly data?: string | undefined;
  readonly threads: number;
}

export const withResume = (command: Command): Command =>
  withCluster(withCommon(command))
    .option("--out <dir>", "folder for log, models and report (default: runs/<name>-<n>)")
    .option("--data <dir>", "folder with data sets (default: $PANGAEA_DATA)")
    .option("--threads <n>", "compute threads, for judging", whole(0), 1);

export const withNode = (command: Command): Command =>
  withCluster(withCommon(command))
    .option("--site <name>", "the site where this machine stands (coordinators need none)")
    .option("--roles <roles>", "worker, server, coordinator (stands by)", list, [
      "worker",
      "server",
    ])
    .option("--name <id>", "of the agent (default: from site, machine and process)")
    .option("--listen <address>", "host[:port] for other hosts (default: 127.0.0.1)")
    .option("--advertise <address>", "host[:port] that others dial, if it is not that")
    .option("--label <key=value>", "what runs may ask for (repeatable)", collect)
    .option("--slots <n>", "runs at a time", positive, 1)
    .option("--data <dir>", "folder with data sets (default: $PANGAEA_DATA)")
    .option("--threads <n>", "compute threads of a host; 0: its own", whole(0), 1)
    .option("--health <address>", "host:port for probes: /healthz, /readyz (default: none)")
    .option("--once <run>", "take this run alone, and end with it");

export const withRun = (command: Command): Command =>
  withCluster(withCommon(command))
    .option("--seed <n>", "seed of all chance, in place of the file's", whole(0))
    .option("--out <dir>", "folder for log, models and report (default: runs/<name>-<n>)")
    .option("--set <key=value>", "change a key: --set stop.maxClocks=100 (repeatable)", collect)
    .addOption(
      new Option("--world <world>", "virtual time, or real time on this machine or many").choices(
        WORLDS,
      ),
    )
    .addOption(
      new Option("--hosts <kind>", "with --world local: what each site's nodes run in").choices(
        HOSTS,
      ),
    )
    .addOption(
      new Option("--on <place>", "with --world cluster: what starts the run's agents").choices(
        PLACES,
      ),
    )
    .option("--image <name>", "with --on kubernetes: of the pods")
    .option("--data <dir>", "folder with data sets (default: $PANGAEA_DATA)")
    .option(
      "--threads <n>",
      "compute threads; results do not depend on it",
      whole(0),
      Math.min(2, availableParallelism()),
    );
