/**
 * slurmrestd. Each release of Slurm serves three versions of its interface and drops older ones, so the newest that both
 * sides know is asked for. From v0.0.39 on many numbers are records, and the environment is a list.
 */
import { PangaeaError } from "../../../../core/errors.ts";
import type { PlacedProcess } from "../contract.ts";
import { refusal } from "../errors.ts";
import { type Answer, type HttpClient, saying } from "../http.ts";
import { shellWords } from "../quote.ts";
import { featuresOf, gresOf, megabytesOf, type SlurmNode } from "./demand.ts";
import { partitionOf, type SlurmOptions } from "./options.ts";
import type { JobRecord, SetNumber } from "./states.ts";

/** v0.0.36 came with Slurm 20.11, v0.0.44 with 25.11. */
const OLDEST = 36;
const NEWEST = 44;
/** Slurm's ESLURM_INVALID_JOB_ID: ended so long ago that it is forgotten. */
const UNKNOWN_JOB = 2017;

interface NodeRecord {
  readonly name: string;
  readonly address?: string;
  readonly features?: string | readonly string[];
  readonly cpus: number;
  readonly real_memory: number;
  readonly gres?: string;
}

interface ErrorRecord {
  readonly error_number?: number;
  readonly error_code?: number;
}

export class SlurmRest {
  readonly #http: HttpClient;
  readonly #version: number;

  private constructor(http: HttpClient, version: number) {
    this.#http = http;
    this.#version = version;
  }

  /** Finds the newest version that is served, by a slurmctld that answers whoever asks here. */
  static async open(http: HttpClient): Promise<SlurmRest> {
    let said: string | undefined;
    for (let version = NEWEST; version >= OLDEST; version--) {
      const { status, body } = await http.send("GET", `/slurm/v0.0.${version}/ping`);
      if (status < 300) return new SlurmRest(http, version);
      if (status === 401 || status === 403) throw refusal(http.who, status, saying(body));
      if (status !== 404) said ??= `v0.0.${version} answers ${status}: ${saying(body)}`;
    }
    if (said !== undefined)
      throw new PangaeaError("SCHEDULER_REFUSED", `${http.who} does not reach slurmctld: ${said}`, {
        fix: "see `scontrol ping`; a token may be wrong, or over: `scontrol token`",
      });
    throw new PangaeaError(
      "SCHEDULER_REFUSED",
      `${http.who} serves none of v0.0.${OLDEST} to v0.0.${NEWEST}`,
      { fix: "start slurmrestd with -s openapi/v0.0.38, or leave its address out to use srun" },
    );
  }

  get version(): string {
    return `v0.0.${this.#version}`;
  }

  async nodes(): Promise<readonly SlurmNode[]> {
    const answer = await this.#ask("GET", "/nodes");
    const { nodes = [] } = answer.body as { readonly nodes?: readonly NodeRecord[] };
    return nodes.map((node) => ({
      name: node.name,
      address: node.address || undefined,
      features: [node.features ?? ""]
        .flat()
        .flatMap((text) => text.split(","))
        .filter(Boolean),
      cpus: node.cpus,
      memoryMegabytes: node.real_memory,
      gres: gresOf(node.gres ?? ""),
    }));
  }

  /** @returns the job's number */
  async submit(process: PlacedProcess, options: SlurmOptions): Promise<number> {
    const job = jobOf(process, options, this.#version);
    const script = `#!/bin/sh\nexec ${shellWords(process.command)}\n`;
    const body = this.#version >= 40 ? { job: { ...job, script } } : { script, job };
    const answer = await this.#http.send("POST", `/slurm/${this.version}/job/submit`, body);
    const { job_id: id } = (answer.body ?? {}) as { readonly job_id?: number };
    // With a number it stands in the queue, whatever is said beside it.
    if (answer.status < 300 && id !== undefined && id > 0) return id;
    throw refused(this.#http.who, answer);
  }

  /** Nothing where Slurm has forgotten it. */
  async job(id: number): Promise<JobRecord | undefined> {
    const answer = await this.#ask("GET", `/job/${id}`);
    return (answer.body as { readonly jobs?: readonly JobRecord[] }).jobs?.[0];
  }

  async remove(id: number): Promise<void> {
    await this.#ask("DELETE", `/job/${id}`);
  }

  /** An answer, also that of an unknown job. */
  async #ask(method: string, path: string): Promise<Answer> {
    const answer = await this.#http.send(method, `/slurm/${this.version}${path}`);
    if (answer.status < 300 || errorsOf(answer).includes(UNKNOWN_JOB)) return answer;
    throw refusal(this.#http.who, answer.status, saying(answer.body));
  }
}

const errorsOf = ({ body }: Answer): readonly (number | undefined)[] => {
  const { errors } = (body ?? {}) as { readonly errors?: readonly ErrorRecord[] };
  return (errors ?? []).map((error) => error.error_number ?? error.error_code);
};

/** What slurmctld says no to comes as 500, too, and does not pass by itself. */
function refused(who: string, { status, body }: Answer): PangaeaError {
  if (status === 401 || status === 403) return refusal(who, status, saying(body));
  const said = saying(body);
  if (said === "") return refusal(who, status, "");
  return new PangaeaError("SCHEDULER_REFUSED", `${who} refused a job: ${said}`, {
    fix: "see partition, account and limits with `scontrol show partition`",
  });
}

const PATH = "/usr/local/bin:/usr/bin:/bin";

function jobOf(process: PlacedProcess, options: SlurmOptions, version: number): object {
  const { folder, account, qos, timeLimitMinutes, gpuResource = "gpu" } = options;
  const records = version >= 39;
  const number = (value: number): number | SetNumber =>
    records ? { set: true, number: value } : value;
  const environment = { PATH, ...process.env };
  const list = Object.entries(environment).map(([key, value]) => `${key}=${value}`);
  const gpus = process.gpus ?? 0;
  const features = featuresOf(process).join("&");
  return {
    name: process.name,
    partition: partitionOf(options, process.site),
    account,
    qos,
    tasks: 1,
    cpus_per_task: process.cores,
    memory_per_node: number(megabytesOf(process)),
    ...(features === "" ? {} : { constraints: features }),
    ...(gpus === 0 ? {} : gpuRequest(`${gpuResource}:${gpus}`, records)),
    ...(timeLimitMinutes === undefined ? {} : { time_limit: number(timeLimitMinutes) }),
    environment: records ? list : environment,
    current_working_directory: folder,
    standard_output: outputFile(folder, process.name),
    // Who died is replaced by the coordinator, which knows what the others have done since.
    requeue: false,
  };
}

const gpuRequest = (gres: string, records: boolean): object =>
  records ? { tres_per_node: `gres/${gres}` } : { gres };

/** `%j` is Slurm's own: the job's number. */
export const outputFile = (folder: string, name: string, id: number | "%j" = "%j"): string =>
  `${folder}/${name}-${id}.log`;
