/**
 * How the API server is reached: from inside a cluster by the pod's service account, from outside by a kubeconfig with a
 * client certificate or a token. Programs that a kubeconfig names to fetch credentials are not run.
 */
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { parse } from "yaml";
import { InputError } from "../../../../core/errors.ts";

export interface KubeAccess {
  readonly address: string;
  readonly namespace: string;
  /** PEM texts. */
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  readonly servername?: string | undefined;
  /** Read anew for each request: a service account's token is renewed in its file. */
  readonly token?: (() => string) | undefined;
}

const ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount";

export interface KubeSources {
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
  /** Of a kubeconfig; by default $KUBECONFIG, then the service account, then ~/.kube/config. */
  readonly file?: string | undefined;
  readonly context?: string | undefined;
  /** Of the service account. */
  readonly account?: string | undefined;
}

/** @throws InputError KUBE_CONFIG */
export function kubeAccess(sources: KubeSources = {}): KubeAccess {
  const { env = process.env, account = ACCOUNT, context } = sources;
  const [named] = (sources.file ?? env["KUBECONFIG"] ?? "").split(":").filter(Boolean);
  if (named !== undefined) return fromKubeconfig(named, context);
  const host = env["KUBERNETES_SERVICE_HOST"];
  if (host !== undefined && existsSync(join(account, "token"))) {
    return fromAccount(host, env["KUBERNETES_SERVICE_PORT"] ?? "443", account);
  }
  const own = join(env["HOME"] ?? "", ".kube", "config");
  if (existsSync(own)) return fromKubeconfig(own, context);
  throw bad("no Kubernetes is known here", "name a kubeconfig in $KUBECONFIG");
}

function fromAccount(host: string, port: string, account: string): KubeAccess {
  const file = (name: string): string => readFileSync(join(account, name), "utf8").trim();
  return {
    address: `https://${host.includes(":") ? `[${host}]` : host}:${port}`,
    namespace: file("namespace"),
    ca: file("ca.crt"),
    token: () => file("token"),
  };
}

interface Named {
  readonly name?: string;
}
interface Kubeconfig {
  readonly "current-context"?: string;
  readonly contexts?: readonly (Named & {
    readonly context?: { readonly cluster?: string; user?: string; namespace?: string };
  })[];
  readonly clusters?: readonly (Named & { readonly cluster?: Readonly<Record<string, unknown>> })[];
  readonly users?: readonly (Named & { readonly user?: Readonly<Record<string, unknown>> })[];
}

function fromKubeconfig(file: string, wanted: string | undefined): KubeAccess {
  const config = (parse(readFileSync(file, "utf8")) ?? {}) as Kubeconfig;
  const name = wanted ?? config["current-context"];
  const context = config.contexts?.find((one) => one.name === name)?.context;
  if (!context) {
    const there = (config.contexts ?? []).map((one) => one.name).join(", ");
    throw bad(`${file} has no context ${name ?? "(none is current)"}`, `there are: ${there}`);
  }
  const cluster = config.clusters?.find((one) => one.name === context.cluster)?.cluster;
  const user = config.users?.find((one) => one.name === context.user)?.user ?? {};
  const address = cluster?.["server"];
  if (!cluster || typeof address !== "string") {
    throw bad(`${file}: context ${name} has no cluster with a server`, "see `kubectl config view`");
  }
  if (cluster["insecure-skip-tls-verify"] === true) {
    const fix = "give the cluster's certificate-authority";
    throw bad(`${file}: ${context.cluster} would be trusted unseen`, fix);
  }
  for (const way of ["exec", "auth-provider", "username"]) {
    if (user[way] === undefined) continue;
    const fix = "a client certificate or a token, as `kubectl create token` makes it";
    throw bad(`${file}: credentials of the kind "${way}" are not read`, fix);
  }
  const pem = (of: Readonly<Record<string, unknown>>, key: string): string | undefined => {
    const data = of[`${key}-data`];
    if (typeof data === "string") return Buffer.from(data, "base64").toString();
    const path = of[key];
    return typeof path === "string"
      ? readFileSync(resolve(dirname(file), path), "utf8")
      : undefined;
  };
  const { token, tokenFile } = user;
  const servername = cluster["tls-server-name"];
  return {
    address,
    namespace: context.namespace ?? "default",
    ca: pem(cluster, "certificate-authority"),
    cert: pem(user, "client-certificate"),
    key: pem(user, "client-key"),
    servername: typeof servername === "string" ? servername : undefined,
    token:
      typeof token === "string"
        ? () => token
        : typeof tokenFile === "string"
          ? () => readFileSync(resolve(dirname(file), tokenFile), "utf8").trim()
          : undefined,
  };
}

const bad = (message: string, fix: string): InputError =>
  new InputError([{ code: "KUBE_CONFIG", message, fix }]);
