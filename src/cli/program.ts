/** The verbs and their options. Everything heavy is imported by the verb that needs it. */
import { Command, CommanderError, Option } from "commander";
import type { DataOptions } from "./commands/data.ts";
import type { ExportOptions } from "./commands/export.ts";
import type { KeysOptions } from "./commands/keys.ts";
import type { ModelCommandOptions } from "./commands/model.ts";
import type { NodeOptions } from "./commands/node.ts";
import type { CompareOptions } from "./commands/run.ts";
import type { Engine } from "./engine.ts";
import { packageVersion } from "./folders.ts";
import type { Io } from "./io.ts";
import {
  type CommonOptions,
  EXPORT_FORMATS,
  list,
  positive,
  type ResumeOptions,
  type RunOptions,
  withCommon,
  withNode,
  withResume,
  withRun,
} from "./options.ts";

export interface CliOptions {
  /** What executes runs; by default the real thing. */
  readonly engine?: (() => Promise<Engine>) | undefined;
}

const EXAMPLES = `Examples:
  pangaea compare examples/gaia-digits.yaml             eleven regions, Gaia against today's way
  pangaea run examples/softmax-quick.yaml               a few seconds
  pangaea run my.yaml --set between.significance=0.02   change a key
  pangaea compare my.yaml --between stretched,gaia --within bsp,ssp:3
  pangaea node --site oregon --nats tls://hub:4222 --keys keys     serve a cluster's runs at a site
  pangaea run my.yaml --world cluster --nats tls://hub:4222 --keys keys
  pangaea report runs/my-1                              the report again, from the log
  pangaea audit runs/my-1                               what crossed which border
  pangaea model mine.onnx --tensors                     what it is made of and what would be trained
  pangaea export runs/my-1 --format onnx                the trained model for other programs
`;

const PAGE = `
Exit codes: 0 done (target reached or not), 2 bad input, 3 data missing, 4 files, 5 the run failed,
130 interrupted. Each has a section in docs/errors.md.`;

/** Runs the command line. @returns the exit code. */
export async function runCli(
  argv: readonly string[],
  io: Io,
  options: CliOptions = {},
): Promise<number> {
  let code = 0;
  const engine = async (): Promise<Engine> =>
    options.engine ? options.engine() : (await import("./engine.ts")).loadEngine();
  const program = buildProgram(io, engine, (value) => {
    code = value;
  });
  try {
    await program.parseAsync(argv, { from: "user" });
    return code;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    const [{ printError }, { exitCodeOf }] = await Promise.all([
      import("./errors.ts"),
      import("./exit.ts"),
    ]);
    printError(error, io, { debug: argv.includes("--debug"), json: argv.includes("--json") });
    return exitCodeOf(error);
  }
}

function buildProgram(
  io: Io,
  engine: () => Promise<Engine>,
  done: (code: number) => void,
): Command {
  const program = new Command("pangaea")
    .description("Train machine-learning models where the data is: over many sites and slow links.")
    .addHelpText("beforeAll", "")
    .addHelpText("before", `${EXAMPLES}`)
    .addHelpText("after", PAGE)
    .version(packageVersion(), "--version", "print the version")
    .exitOverride()
    .showHelpAfterError("(--help shows what there is)")
    .configureOutput({
      writeOut: io.out,
      writeErr: io.err,
      getOutHelpWidth: () => Math.min(100, io.columns()),
      getErrHelpWidth: () => Math.min(100, io.columns()),
    })
    .configureHelp({ showGlobalOptions: false });

  withRun(program.command("run").argument("<file>", "YAML, JSON or a module with a default export"))
    .description("run one experiment")
    .action(async (file: string, options: RunOptions) => {
      const { runCommand } = await import("./commands/run.ts");
      done(await runCommand(file, options, io, engine));
    });

  withRun(
    program.command("compare").argument("<file>", "an experiment, usually with a compare list"),
  )
    .description("run the rows of a comparison; the same nodes on a LAN are always one")
    .option("--between <kinds>", "rows on the fly, by kind: stretched,gaia", list)
    .option("--within <forms>", "rows on the fly: bsp,ssp:3,tap", list)
    .option("--seeds <n>", "run each row with n seeds; report mean and spread", positive)
    .action(async (file: string, options: CompareOptions) => {
      const { compareCommand } = await import("./commands/run.ts");
      done(await compareCommand(file, options, io, engine));
    });

  withCommon(program.command("report").argument("<folder>", "the folder of a run or comparison"))
    .description("write report.html anew from the event log")
    .action(async (folder: string, options: CommonOptions) => {
      const { reportCommand } = await import("./commands/report.ts");
      done(await reportCommand(folder, options, io));
    });

  addAudit(program, io, done);
  withCommon(program.command("export").argument("<run>", "the folder of a run"))
    .description("write the trained model for other programs")
    .addOption(
      new Option("--format <name>", "what to write").choices(EXPORT_FORMATS).default("onnx"),
    )
    .option("--site <name>", "the copy of one site, where sites differ")
    .option("--out <file>", "where to write (default: in the run's folder)")
    .action(async (folder: string, options: ExportOptions) => {
      const { exportCommand } = await import("./commands/export.ts");
      done(await exportCommand(folder, options, io));
    });

  withCommon(program.command("model").argument("<file>", "an .onnx file, or an experiment"))
    .description("show a model: layers, what is trained, what a step costs")
    .option("--batch <n>", "rows of a batch", positive, 1)
    .option("--tensors", "list every tensor and its use")
    .option("--data <dir>", "folder with data sets (default: $PANGAEA_DATA)")
    .action(async (file: string, options: ModelCommandOptions) => {
      const { modelCommand } = await import("./commands/model.ts");
      done(await modelCommand(file, options, io));
    });

  addNode(program, io, done);
  addResume(program, io, done);
  addData(program, io, done);
  addKeys(program, io, done);

  withCommon(program.command("systems"))
    .description("list what can be combined")
    .action(async (options: CommonOptions) => {
      const { systemsCommand } = await import("./commands/systems.ts");
      done(await systemsCommand(options, io));
    });
  return program;
}

function addAudit(program: Command, io: Io, done: (code: number) => void): void {
  withCommon(program.command("audit").argument("<run>", "the folder of a run"))
    .description("say what crossed which border: by sites, kind, cargo and policy")
    .action(async (folder: string, options: CommonOptions) => {
      const { auditCommand } = await import("./commands/audit.ts");
      done(await auditCommand(folder, options, io));
    });
}

function addNode(program: Command, io: Io, done: (code: number) => void): void {
  withNode(program.command("node"))
    .description("join a cluster as an agent that takes runs one after another, until Ctrl-C")
    .action(async (options: NodeOptions) => {
      const { nodeCommand } = await import("./commands/node.ts");
      done(await nodeCommand(options, io));
    });
}

function addResume(program: Command, io: Io, done: (code: number) => void): void {
  withResume(program.command("resume").argument("<run>", "its name, as the log says it"))
    .description("lead a cluster's run whose coordinator has gone, as soon as its lease has ended")
    .action(async (run: string, options: ResumeOptions) => {
      const { resumeCommand } = await import("./commands/resume.ts");
      done(await resumeCommand(run, options, io));
    });
}

function addData(program: Command, io: Io, done: (code: number) => void): void {
  const data = program.command("data").description("public data sets: list, fetch, path");
  const folder = (command: Command): Command =>
    withCommon(command).option("--data <dir>", "folder with data sets (default: $PANGAEA_DATA)");
  folder(data.command("list"))
    .description("known sets, and where they are here")
    .action(async (options: DataOptions) => {
      done(await (await import("./commands/data.ts")).dataListCommand(options, io));
    });
  folder(data.command("fetch").argument("<name>", "a set of `pangaea data list`"))
    .description("download a set into the cache and verify it")
    .action(async (name: string, options: DataOptions) => {
      done(await (await import("./commands/data.ts")).dataFetchCommand(name, options, io));
    });
  folder(data.command("path"))
    .description("the folders in which data are looked for")
    .action(async (options: DataOptions) => {
      done(await (await import("./commands/data.ts")).dataPathCommand(options, io));
    });
}

function addKeys(program: Command, io: Io, done: (code: number) => void): void {
  withCommon(program.command("keys"))
    .description("make keys and an account file for nats-server")
    .option("--out <dir>", "a folder for them", "keys")
    .action(async (options: KeysOptions) => {
      const { keysCommand } = await import("./commands/keys.ts");
      done(await keysCommand(options, io));
    });
}
