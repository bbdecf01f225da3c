/**
 * Why a pod is not there, or does not get on, where its status does not say: a quota or a policy that refuses it, a
 * secret that cannot be mounted. Only events tell; an account that may not list them waits without a reason.
 */
import type { HttpClient } from "../http.ts";

interface KubeEvent {
  readonly reason?: string;
  readonly message?: string;
  readonly metadata?: { readonly resourceVersion?: string };
}

/**
 * The latest warning about a Job or a pod.
 * @param name of the Job or the pod
 * @returns "FailedCreate: pods \"…\" is forbidden: exceeded quota", without what changes from one attempt to the next
 */
export async function latestWarning(
  http: HttpClient,
  namespace: string,
  name: string,
): Promise<string | undefined> {
  const selector = encodeURIComponent(`involvedObject.name=${name},type=Warning`);
  const path = `/api/v1/namespaces/${namespace}/events?fieldSelector=${selector}`;
  const { status, body } = await http.send("GET", path);
  if (status >= 300) return undefined;
  const { items = [] } = body as { readonly items?: readonly KubeEvent[] };
  const version = ({ metadata }: KubeEvent): number => Number(metadata?.resourceVersion ?? 0);
  const [last] = [...items].sort((a, b) => version(b) - version(a));
  if (last?.message === undefined) return undefined;
  const message = last.message.replace(`${name}-`, "").replace(/pods "[^"]*" is /, "its pod is ");
  return `${last.reason ?? "Warning"}: ${message}`;
}
