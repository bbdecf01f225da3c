/** What Kubernetes says of a pod, as what it means for a placement. */
import type { JobState } from "../job.ts";
import { GROUP_LABEL } from "./manifest.ts";

interface ContainerState {
  readonly waiting?: { readonly reason?: string; readonly message?: string };
  readonly running?: object;
  readonly terminated?: {
    readonly exitCode?: number;
    readonly signal?: number;
    readonly reason?: string;
    readonly message?: string;
  };
}

export interface Pod {
  readonly metadata: {
    readonly name: string;
    readonly resourceVersion?: string;
    readonly deletionTimestamp?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly spec?: { readonly nodeName?: string };
  readonly status?: {
    readonly phase?: string;
    readonly reason?: string;
    readonly message?: string;
    readonly conditions?: readonly {
      readonly type: string;
      readonly status: string;
      readonly reason?: string;
      readonly message?: string;
    }[];
    readonly containerStatuses?: readonly { readonly state?: ContainerState }[];
  };
}

const INDEX = "batch.kubernetes.io/job-completion-index";

/** "g0/2": group and index, which name a process. */
export function seatOf({ metadata }: Pod): string {
  const index = metadata.annotations?.[INDEX] ?? metadata.labels?.[INDEX] ?? "";
  return `${metadata.labels?.[GROUP_LABEL] ?? ""}/${index}`;
}

const terminated = ({ status }: Pod): ContainerState["terminated"] =>
  status?.containerStatuses?.[0]?.state?.terminated;

/** What the pod itself keeps of its output. */
export const keptMessage = (pod: Pod): string | undefined => terminated(pod)?.message;

/** Waits that only a person ends. An image that cannot be pulled may come yet. */
const HOPELESS = new Set([
  "CreateContainerConfigError",
  "CreateContainerError",
  "ErrImageNeverPull",
  "InvalidImageName",
]);

export function podState(pod: Pod): JobState {
  const { status = {} } = pod;
  if (status.phase === "Succeeded") return { phase: "ended", how: "exit code 0", well: true };
  if (status.phase === "Failed") return { phase: "ended", how: howOf(pod), well: false };
  if (status.phase === "Running") return { phase: "running" };
  const waiting = status.containerStatuses?.[0]?.state?.waiting;
  const unscheduled = status.conditions?.find(
    ({ type, status: value }) => type === "PodScheduled" && value === "False",
  );
  const { reason = status.phase ?? "Pending", message } = waiting ?? unscheduled ?? {};
  const why = message === undefined ? reason : `${reason}: ${message}`;
  if (HOPELESS.has(reason)) return { phase: "ended", how: `kubernetes: ${why}`, well: false };
  return { phase: "waiting", why };
}

function howOf(pod: Pod): string {
  const { reason, message } = pod.status ?? {};
  // Evicted, Preempting, NodeLost, DeadlineExceeded: why it was ended says more than how the program took it.
  if (reason) return `kubernetes: ${reason}${message ? ` (${message})` : ""}`;
  const end = terminated(pod);
  if (end?.reason !== undefined && !/^(Error|Completed)$/.test(end.reason)) {
    return `kubernetes: ${end.reason}`;
  }
  if (end?.signal) return `signal ${end.signal}`;
  return end?.exitCode === undefined ? "kubernetes: Failed" : `exit code ${end.exitCode}`;
}
