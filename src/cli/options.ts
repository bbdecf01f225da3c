/** The options that verbs share, and what they mean for an experiment. */
import { availableParallelism } from "node:os";
import { type Command, InvalidArgumentError, Option } from "commander";

export interface CommonOptions {
  readonly json?: boolean | undefined;
  readonly debug?: boolean | undefined;
}

/** What `pangaea export` writes. */
export const EXPORT_FORMATS = ["onnx", "safetensors", "npz"] as const;

const WORLDS = ["simulated", "local"] as const;
const HOSTS = ["threads", "processes"] as const;

export interface RunOptions extends CommonOptions {
  readonly world?: (typeof WORLDS)[number] | undefined;
  readonly hosts?: (typeof HOSTS)[number] | undefined;
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

export const withRun = (command: Command): Command =>
  withCommon(command)
    .option("--seed <n>", "seed of all chance, in place of the file's", whole(0))
    .option("--out <dir>", "folder for log, models and report (default: runs/<name>-<n>)")
    .option("--set <key=value>", "change a key: --set stop.maxClocks=100 (repeatable)", collect)
    .addOption(
      new Option("--world <world>", "virtual time, or real time on this machine").choices(WORLDS),
    )
    .addOption(
      new Option("--hosts <kind>", "with --world local: what each site's nodes run in").choices(
        HOSTS,
      ),
    )
    .option("--data <dir>", "folder with data sets (default: $PANGAEA_DATA)")
    .option(
      "--threads <n>",
      "compute threads; results do not depend on it",
      whole(0),
      Math.min(2, availableParallelism()),
    );
