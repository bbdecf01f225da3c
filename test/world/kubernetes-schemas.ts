/**
 * The part of Kubernetes' API that we write (its OpenAPI description, v1.29 to v1.34), and of JobSet v1alpha2: required
 * keys, types, formats, and the rules that the API server checks beyond them. Unknown keys are errors, which a real
 * server would drop without a word.
 */
import {
  among,
  any,
  either,
  integer,
  list,
  map,
  object,
  problems,
  type Schema,
  text,
  yes,
} from "./schema.ts";

/** RFC 1123, as names of objects and of what becomes a DNS label. */
const LABEL = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;
const SUBDOMAIN = /^(?=.{1,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const LABEL_KEY = /^([a-z0-9]([-a-z0-9.]*[a-z0-9])?\/)?[A-Za-z0-9]([-\w.]{0,61}[A-Za-z0-9])?$/;
const LABEL_VALUE = /^([A-Za-z0-9]([-\w.]{0,61}[A-Za-z0-9])?)?$/;
const QUANTITY = /^\d+(\.\d+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?$/;

const labels = map(text(LABEL_VALUE), LABEL_KEY);
const metadata = object({
  "name!": text(SUBDOMAIN),
  namespace: text(LABEL),
  labels,
  annotations: map(text(), LABEL_KEY),
});
const selector = object({ "matchLabels!": labels });
const secretKey = object({ "name!": text(SUBDOMAIN), "key!": text(), optional: yes });

const env = object(
  {
    "name!": text(/^[-._a-zA-Z][-._a-zA-Z0-9]*$/),
    value: text(),
    valueFrom: either(
      object({ "fieldRef!": object({ "fieldPath!": text() }) }),
      object({ "secretKeyRef!": secretKey }),
      object({ "configMapKeyRef!": secretKey }),
    ),
  },
  ({ value, valueFrom }) =>
    value !== undefined && valueFrom !== undefined ? "value and valueFrom" : undefined,
);

const port = either(integer(1, 65535), text(/^[a-z0-9]([-a-z0-9]{0,13}[a-z0-9])?$/));
const probe = object(
  {
    httpGet: object({
      path: text(/^\//),
      "port!": port,
      host: text(),
      scheme: among("HTTP", "HTTPS"),
    }),
    exec: object({ "command!": list(text(), 1) }),
    tcpSocket: object({ "port!": port }),
    initialDelaySeconds: integer(0),
    periodSeconds: integer(1),
    timeoutSeconds: integer(1),
    failureThreshold: integer(1),
    successThreshold: integer(1),
  },
  ({ httpGet, exec, tcpSocket }) =>
    [httpGet, exec, tcpSocket].filter((way) => way !== undefined).length === 1
      ? undefined
      : "a probe has one handler",
);

const container = object({
  "name!": text(LABEL),
  "image!": text(/^\S+$/),
  imagePullPolicy: among("Always", "IfNotPresent", "Never"),
  command: list(text(), 1),
  args: list(text()),
  env: list(env),
  workingDir: text(/^\//),
  ports: list(
    object({
      name: text(LABEL),
      "containerPort!": integer(1, 65535),
      protocol: among("TCP", "UDP"),
    }),
  ),
  resources: object({
    requests: map(text(QUANTITY), LABEL_KEY),
    limits: map(text(QUANTITY), LABEL_KEY),
  }),
  volumeMounts: list(
    object({
      "name!": text(LABEL),
      "mountPath!": text(/^\/[^:]*$/),
      readOnly: yes,
      subPath: text(),
    }),
  ),
  startupProbe: probe,
  livenessProbe: probe,
  readinessProbe: probe,
  terminationMessagePolicy: among("File", "FallbackToLogsOnError"),
  securityContext: object({
    allowPrivilegeEscalation: yes,
    readOnlyRootFilesystem: yes,
    runAsNonRoot: yes,
    capabilities: object({ drop: list(text()), add: list(text()) }),
  }),
});

const volume = object(
  {
    "name!": text(LABEL),
    secret: object({
      "secretName!": text(SUBDOMAIN),
      defaultMode: integer(0, 0o777),
      optional: yes,
    }),
    configMap: object({ "name!": text(SUBDOMAIN), defaultMode: integer(0, 0o777), optional: yes }),
    persistentVolumeClaim: object({ "claimName!": text(SUBDOMAIN), readOnly: yes }),
    emptyDir: object({ sizeLimit: text(QUANTITY) }),
  },
  (value) => (Object.keys(value).length === 2 ? undefined : "a volume has one source"),
);

interface PodLike {
  readonly containers?: readonly { readonly volumeMounts?: readonly { readonly name: string }[] }[];
  readonly volumes?: readonly { readonly name: string }[];
}

/** A mount of a volume that is not there. @param claims names of volumes from elsewhere */
function unmounted(pod: PodLike, claims: readonly string[] = []): string | undefined {
  const { containers = [], volumes = [] } = pod;
  const there = new Set([...claims, ...volumes.map(({ name }) => name)]);
  const mounts = containers.flatMap(({ volumeMounts = [] }) => volumeMounts);
  const absent = mounts.find(({ name }) => !there.has(name));
  return absent && `no volume ${absent.name}`;
}

/** @param claims whether volumes come from templates of claims, too */
const podSpec = (restart: readonly string[], claims: boolean): Schema =>
  object(
    {
      restartPolicy: among(...restart),
      "containers!": list(container, 1),
      volumes: list(volume),
      nodeSelector: labels,
      serviceAccountName: text(SUBDOMAIN),
      automountServiceAccountToken: yes,
      imagePullSecrets: list(object({ "name!": text(SUBDOMAIN) })),
      subdomain: text(LABEL),
      terminationGracePeriodSeconds: integer(0),
      securityContext: object({
        runAsNonRoot: yes,
        runAsUser: integer(0),
        runAsGroup: integer(0),
        fsGroup: integer(0),
        seccompProfile: object({ "type!": among("RuntimeDefault", "Unconfined", "Localhost") }),
      }),
      affinity: any,
      topologySpreadConstraints: list(any),
      tolerations: list(any),
    },
    (value) => (claims ? undefined : unmounted(value)),
  );

const template = (restart: readonly string[], claims = false): Schema =>
  object({
    metadata: object({ labels, annotations: map(text(), LABEL_KEY) }),
    "spec!": podSpec(restart, claims),
  });

const jobSpec = object(
  {
    completionMode: among("Indexed", "NonIndexed"),
    completions: integer(1),
    parallelism: integer(0),
    backoffLimit: integer(0),
    backoffLimitPerIndex: integer(0),
    maxFailedIndexes: integer(0),
    podReplacementPolicy: among("TerminatingOrFailed", "Failed"),
    activeDeadlineSeconds: integer(1),
    ttlSecondsAfterFinished: integer(0),
    suspend: yes,
    "template!": template(["Never", "OnFailure"]),
  },
  ({ completionMode, backoffLimitPerIndex, completions }) => {
    if (completionMode !== "Indexed" && backoffLimitPerIndex !== undefined) {
      return "backoffLimitPerIndex is for Indexed Jobs";
    }
    return completionMode === "Indexed" && completions === undefined
      ? "an Indexed Job has completions"
      : undefined;
  },
);

const kind = (apiVersion: string, name: string, keys: Readonly<Record<string, Schema>>): Schema =>
  object({
    "apiVersion!": among(apiVersion),
    "kind!": among(name),
    "metadata!": metadata,
    ...keys,
  });

const claim = object({
  "accessModes!": list(among("ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany"), 1),
  storageClassName: text(SUBDOMAIN),
  "resources!": object({ "requests!": map(text(QUANTITY)) }),
});

const rule = object({
  "apiGroups!": list(text()),
  "resources!": list(text(), 1),
  "verbs!": list(among("get", "list", "watch", "create", "delete", "patch", "update"), 1),
});

export const KUBERNETES: Readonly<Record<string, Schema>> = {
  Job: kind("batch/v1", "Job", { "spec!": jobSpec }),
  JobSet: kind("jobset.x-k8s.io/v1alpha2", "JobSet", {
    "spec!": object({
      "replicatedJobs!": list(
        object({
          "name!": text(LABEL),
          replicas: integer(0),
          "template!": object({
            metadata: object({ labels, annotations: map(text(), LABEL_KEY) }),
            "spec!": jobSpec,
          }),
        }),
        1,
      ),
      failurePolicy: object({ maxRestarts: integer(0) }),
      network: object({ enableDNSHostnames: yes, subdomain: text(LABEL) }),
      suspend: yes,
      ttlSecondsAfterFinished: integer(0),
    }),
  }),
  StatefulSet: kind("apps/v1", "StatefulSet", {
    "spec!": object(
      {
        "serviceName!": text(LABEL),
        replicas: integer(0),
        "selector!": selector,
        podManagementPolicy: among("OrderedReady", "Parallel"),
        "template!": template(["Always"], true),
        volumeClaimTemplates: list(object({ "metadata!": metadata, "spec!": claim })),
      },
      ({ template: pods, volumeClaimTemplates = [] }) => {
        const claims = volumeClaimTemplates as readonly { readonly metadata: { name: string } }[];
        const { spec } = pods as { readonly spec: PodLike };
        return unmounted(
          spec,
          claims.map(({ metadata }) => metadata.name),
        );
      },
    ),
  }),
  Deployment: kind("apps/v1", "Deployment", {
    "spec!": object({
      replicas: integer(0),
      strategy: object({ "type!": among("Recreate", "RollingUpdate") }),
      "selector!": selector,
      "template!": template(["Always"]),
    }),
  }),
  Service: kind("v1", "Service", {
    "spec!": object({
      type: among("ClusterIP", "LoadBalancer", "NodePort"),
      clusterIP: among("None"),
      publishNotReadyAddresses: yes,
      selector: labels,
      "ports!": list(
        object({
          name: text(LABEL),
          "port!": integer(1, 65535),
          targetPort: port,
          protocol: among("TCP", "UDP"),
        }),
        1,
      ),
    }),
  }),
  Namespace: kind("v1", "Namespace", {}),
  ServiceAccount: kind("v1", "ServiceAccount", { automountServiceAccountToken: yes }),
  ConfigMap: kind("v1", "ConfigMap", { data: map(text()) }),
  PersistentVolumeClaim: kind("v1", "PersistentVolumeClaim", { "spec!": claim }),
  Role: kind("rbac.authorization.k8s.io/v1", "Role", { "rules!": list(rule) }),
  RoleBinding: kind("rbac.authorization.k8s.io/v1", "RoleBinding", {
    "roleRef!": object({
      "apiGroup!": among("rbac.authorization.k8s.io"),
      "kind!": among("Role", "ClusterRole"),
      "name!": text(SUBDOMAIN),
    }),
    "subjects!": list(
      object({
        "kind!": among("ServiceAccount"),
        "name!": text(SUBDOMAIN),
        namespace: text(LABEL),
      }),
    ),
  }),
  Kustomization: object({
    "apiVersion!": among("kustomize.config.k8s.io/v1beta1"),
    "kind!": among("Kustomization"),
    namespace: text(LABEL),
    "resources!": list(text(), 1),
    images: list(object({ "name!": text(), newName: text(), newTag: text() })),
  }),
};

/** What is wrong with an object of Kubernetes. */
export function kubernetesProblems(value: unknown): readonly string[] {
  const { kind: of = "" } = (value ?? {}) as { readonly kind?: string };
  const schema = KUBERNETES[of];
  return schema ? problems(schema, value, of) : [`no kind ${of} is known here`];
}
