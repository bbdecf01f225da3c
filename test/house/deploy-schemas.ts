/** The parts that we write of compose files (the Compose Specification) and of the values of NATS' chart (nats/nats 1.x). */
import {
  among,
  any,
  either,
  integer,
  list,
  map,
  object,
  type Schema,
  text,
  yes,
} from "../world/schema.ts";

const DURATION = /^(\d+(us|ms|s|m|h))+$/;
const NAME = /^[a-zA-Z0-9][\w.-]*$/;
const words = either(list(text(), 1), text());

const service = object(
  {
    image: text(/^\S+$/),
    build: any,
    command: words,
    entrypoint: words,
    environment: either(map(text()), list(text(/^\w+=/))),
    volumes: list(text(/^(\.{1,2}\/|[a-zA-Z0-9])[^:]*:\/[^:]*(:(ro|rw))?$/)),
    ports: list(text(/^([\d.]+:)?(\d+:)?\d+$/)),
    networks: either(map(object({ aliases: list(text(NAME)) })), list(text(NAME))),
    depends_on: either(
      list(text(NAME), 1),
      map(object({ "condition!": among("service_started", "service_healthy") })),
    ),
    healthcheck: object({
      "test!": list(text(), 2),
      interval: text(DURATION),
      timeout: text(DURATION),
      start_period: text(DURATION),
      retries: integer(1),
    }),
    restart: among("no", "always", "on-failure", "unless-stopped"),
    stop_grace_period: text(DURATION),
    user: text(),
    working_dir: text(/^\//),
  },
  ({ image, build }) => (image || build ? undefined : "neither image nor build"),
);

export const COMPOSE: Schema = object({
  name: text(/^[a-z0-9][a-z0-9_-]*$/),
  "services!": map(service, NAME),
  volumes: map(either(object({ driver: text() }), { type: "nothing" }), NAME),
  networks: map(any, NAME),
});

const tls = object({
  "enabled!": yes,
  secretName: text(),
  dir: text(/^\//),
  merge: object({ verify: yes, timeout: integer(1) }),
});
const remote = object({
  "urls!": list(text(/^tls:\/\/[\w.-]+:\d+$/), 1),
  account: text(),
  tls: object({ cert_file: text(/^\//), key_file: text(/^\//), ca_file: text(/^\//) }),
});

/** As the strictest of the pod security standards wants it, which the namespace enforces. */
const unprivileged = object({
  "allowPrivilegeEscalation!": yes,
  "capabilities!": object({ "drop!": list(among("ALL"), 1) }),
});

export const CHART: Schema = object({
  tlsCA: object({ "enabled!": yes, secretName: text(), key: text() }),
  config: object({
    serverNamePrefix: text(/^[\w-]+-$/),
    cluster: object({ "enabled!": yes, replicas: integer(3) }),
    jetstream: object({
      "enabled!": yes,
      fileStore: object({
        "enabled!": yes,
        dir: text(/^\//),
        pvc: object({ "enabled!": yes, size: text(/^\d+[MGT]i$/), storageClassName: text() }),
      }),
      merge: object({ domain: text(/^[\w-]+$/) }),
    }),
    nats: object({ port: integer(1, 65535), tls }),
    leafnodes: object({
      "enabled!": yes,
      port: integer(1, 65535),
      tls,
      merge: object({ authorization: object({ account: text() }), remotes: list(remote, 1) }),
    }),
    merge: map(text(), /^\d\d\$include$/),
  }),
  service: object({
    merge: object({ spec: object({ type: among("ClusterIP", "LoadBalancer") }) }),
    ports: map(object({ "enabled!": yes })),
  }),
  container: object({
    merge: object({
      resources: object({ requests: map(text()), limits: map(text()) }),
      "securityContext!": unprivileged,
    }),
  }),
  "reloader!": object({ "merge!": object({ "securityContext!": unprivileged }) }),
  "podTemplate!": object({
    "merge!": object({
      "spec!": object({
        "securityContext!": object({
          "runAsNonRoot!": yes,
          "runAsUser!": integer(1),
          runAsGroup: integer(1),
          "fsGroup!": integer(1),
          "seccompProfile!": object({ "type!": among("RuntimeDefault") }),
        }),
      }),
    }),
  }),
  natsBox: object({ "enabled!": yes }),
});
