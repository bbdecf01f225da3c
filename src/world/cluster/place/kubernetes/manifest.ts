/**
 * Processes as Kubernetes has them: those of a site that ask for the same are one Indexed Job, a pod each. Where the
 * JobSet API is found, one JobSet holds all Jobs of a run, so that they are made, admitted and deleted together.
 */
import { OWN_HOST, type PlacedProcess } from "../contract.ts";
import { shellWords } from "../quote.ts";

/** What is put into every pod. Secrets and claims are named, never given. */
export interface Mount {
  readonly kind: "secret" | "configMap" | "claim";
  readonly name: string;
  readonly path: string;
}

export interface PodOptions {
  /** Its user is a number, and not 0. */
  readonly image: string;
  readonly namespace?: string | undefined;
  /** The headless Service by which pods know each other; that of deploy/kubernetes by default. */
  readonly service?: string | undefined;
  readonly mounts?: readonly Mount[] | undefined;
  readonly serviceAccount?: string | undefined;
  readonly imagePullSecrets?: readonly string[] | undefined;
  /** The resource that a GPU is; "nvidia.com/gpu" by default. */
  readonly gpuResource?: string | undefined;
  /** From SIGTERM to SIGKILL; GRACE_SECONDS by default. */
  readonly graceSeconds?: number | undefined;
}

/** One Job: its pods' indices are those of its processes. */
export interface Group {
  /** "g0": a part of names, and the label of its pods. */
  readonly name: string;
  readonly processes: readonly PlacedProcess[];
}

export const RUN_LABEL = "app.kubernetes.io/part-of";
export const GROUP_LABEL = "pangaea.dev/group";
export const CONTAINER = "node";
const SERVICE = "pangaea-nodes";
/** Of the agents' connections among each other. */
export const TENSOR_PORT = 7400;
/** The group that mounted secrets and claims belong to, whatever the image's user is. */
const FILE_GROUP = 1000;
export const GRACE_SECONDS = 30;
/** Of Jobs that nobody deleted, because their coordinator died. */
const FORGOTTEN_SECONDS = 3_600;

/** Site by site in the order given; what pods of a Job cannot differ in separates them. */
export function groupsOf(processes: readonly PlacedProcess[]): readonly Group[] {
  const groups = new Map<string, PlacedProcess[]>();
  for (const process of processes) {
    const { site, cores, memoryBytes, gpus = 0, labels } = process;
    const key = JSON.stringify([site, cores, memoryBytes, gpus, Object.entries(labels).sort()]);
    const group = groups.get(key);
    if (group) group.push(process);
    else groups.set(key, [process]);
  }
  return [...groups.values()].map((members, i) => ({ name: `g${i}`, processes: members }));
}

const labelValue = (text: string): string =>
  text
    .replace(/[^\w.-]/g, "-")
    .slice(0, 63)
    .replace(/^[^a-zA-Z0-9]+|[^a-zA-Z0-9]+$/g, "");

const labelsOf = (run: string, { name, processes }: Group): Readonly<Record<string, string>> => ({
  "app.kubernetes.io/name": "pangaea",
  "app.kubernetes.io/managed-by": "pangaea",
  [RUN_LABEL]: run,
  [GROUP_LABEL]: name,
  "pangaea.dev/site": labelValue(processes[0]?.site ?? ""),
});

/** As Kubernetes takes it for what it is: `$(NAME)` would be replaced, and `$$` is one dollar. */
const literal = (text: string): string => text.replaceAll("$", "$$$$");

/** The name that pods of a Job have in a Service, by their index; the Service's certificates name all of them. */
const hostOf = (job: string, index: number, { service = SERVICE, namespace }: PodOptions): string =>
  `${job}-${index}.${service}.${namespace ?? "default"}.svc`;

/**
 * What is the same for all pods of a group is the pod's; the rest is chosen by the pod's index.
 * @param job by its name, pods know theirs
 */
function commandOf(
  job: string,
  { processes }: Group,
  options: PodOptions,
): {
  readonly command: readonly string[];
  readonly env: readonly { readonly name: string; readonly value: string }[];
} {
  const [first] = processes as readonly [PlacedProcess];
  const shared = Object.entries(first.env).filter(([key, value]) =>
    processes.every(({ env }) => env[key] === value),
  );
  const env = shared.map(([name, value]) => ({ name, value: literal(value) }));
  const own = (process: PlacedProcess, index: number): readonly string[] => {
    const keys = new Set(shared.map(([key]) => key));
    const rest = Object.entries(process.env).filter(([key]) => !keys.has(key));
    const words = rest.map(([key, value]) => `${key}=${value}`);
    const host = hostOf(job, index, options);
    const command = process.command.map((word) => word.replaceAll(OWN_HOST, host));
    return [...(words.length === 0 ? [] : ["env", ...words]), ...command].map(literal);
  };
  const commands = processes.map(own);
  const [one = []] = commands;
  if (commands.every((words) => JSON.stringify(words) === JSON.stringify(one))) {
    return { command: one, env };
  }
  const cases = commands.map((words, i) => `${i}) exec ${shellWords(words)} ;;`);
  const script = ['case "$JOB_COMPLETION_INDEX" in', ...cases, "esac", ""].join("\n");
  return { command: ["sh", "-c", script], env };
}

const volumeOf = ({ kind, name }: Mount, i: number): object => ({
  name: `v${i}`,
  ...(kind === "secret" ? { secret: { secretName: name, defaultMode: 0o440 } } : {}),
  ...(kind === "configMap" ? { configMap: { name } } : {}),
  ...(kind === "claim" ? { persistentVolumeClaim: { claimName: name } } : {}),
});

/** A pod that namespaces with the strictest of the pod security standards take, too. */
function podOf(run: string, job: string, group: Group, options: PodOptions): object {
  const { image, mounts = [], serviceAccount, imagePullSecrets, service = SERVICE } = options;
  const { graceSeconds = GRACE_SECONDS } = options;
  const [{ cores, memoryBytes, gpus = 0, labels }] = group.processes as readonly [PlacedProcess];
  const memory = String(memoryBytes);
  const gpu = gpus > 0 ? { [options.gpuResource ?? "nvidia.com/gpu"]: String(gpus) } : {};
  return {
    metadata: { labels: labelsOf(run, group) },
    spec: {
      restartPolicy: "Never",
      terminationGracePeriodSeconds: graceSeconds,
      automountServiceAccountToken: false,
      subdomain: service,
      securityContext: {
        runAsNonRoot: true,
        fsGroup: FILE_GROUP,
        seccompProfile: { type: "RuntimeDefault" },
      },
      ...(serviceAccount === undefined ? {} : { serviceAccountName: serviceAccount }),
      ...(imagePullSecrets === undefined
        ? {}
        : { imagePullSecrets: imagePullSecrets.map((name) => ({ name })) }),
      ...(Object.keys(labels).length === 0 ? {} : { nodeSelector: labels }),
      containers: [
        {
          name: CONTAINER,
          image,
          ...commandOf(job, group, options),
          ports: [{ name: "tensors", containerPort: TENSOR_PORT }],
          resources: {
            requests: { cpu: String(cores), memory },
            limits: { memory, ...gpu },
          },
          // The last lines of what failed stay with the pod, also when its log is gone.
          terminationMessagePolicy: "FallbackToLogsOnError",
          securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] } },
          volumeMounts: mounts.map(({ path }, i) => ({
            name: `v${i}`,
            mountPath: path,
            readOnly: mounts[i]?.kind !== "claim",
          })),
        },
      ],
      volumes: mounts.map(volumeOf),
    },
  };
}

export const jobName = (run: string, { name }: Group): string => `${run}-${name}`;

/** `spec` of a Job. Each index ends for itself and is not tried again: the coordinator decides who replaces whom. */
function jobSpec(run: string, job: string, group: Group, options: PodOptions): object {
  const count = group.processes.length;
  return {
    completionMode: "Indexed",
    completions: count,
    parallelism: count,
    backoffLimitPerIndex: 0,
    podReplacementPolicy: "Failed",
    ttlSecondsAfterFinished: FORGOTTEN_SECONDS,
    template: podOf(run, job, group, options),
  };
}

export const jobOf = (run: string, group: Group, options: PodOptions): KubeObject => ({
  apiVersion: "batch/v1",
  kind: "Job",
  metadata: { name: jobName(run, group), labels: labelsOf(run, group) },
  spec: jobSpec(run, jobName(run, group), group, options),
});

export const jobSetOf = (
  run: string,
  groups: readonly Group[],
  options: PodOptions,
): KubeObject => ({
  apiVersion: "jobset.x-k8s.io/v1alpha2",
  kind: "JobSet",
  metadata: { name: run, labels: { "app.kubernetes.io/name": "pangaea", [RUN_LABEL]: run } },
  spec: {
    replicatedJobs: groups.map((group) => ({
      name: group.name,
      replicas: 1,
      template: {
        metadata: { labels: labelsOf(run, group) },
        // What JobSet calls the first Job of its kind.
        spec: jobSpec(run, `${jobName(run, group)}-0`, group, options),
      },
    })),
    failurePolicy: { maxRestarts: 0 },
    network: { enableDNSHostnames: true, subdomain: options.service ?? SERVICE },
    ttlSecondsAfterFinished: FORGOTTEN_SECONDS,
  },
});

export interface KubeObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly labels: Readonly<Record<string, string>>;
  };
  readonly spec: object;
}
