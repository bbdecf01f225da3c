/**
 * Who may do what on NATS: one key per role, and an account file for nats-server that allows each role its own
 * subjects and no others. Answers to a client go to a place named by its key, so that nobody else hears them.
 * A role's key may be shared by all nodes of the role, or made per site. NATS does not check where JetStream delivers
 * what a client watches: orders are therefore signed (`signed.ts`).
 */
import { nkeys } from "@nats-io/nats-core";
import { REGISTRY } from "./buckets.ts";
import { decodeText } from "./frame.ts";
import { MEMBERS } from "./membership.ts";
import { RUN_FILES, RUNS } from "./names.ts";

/**
 * `coordinator` leads runs and makes buckets. `node` is any worker, server or peer: it hears orders
 * (`pangaea.down.…`), says things (`pangaea.up.RUN.EPOCH`), speaks with its peers where it cannot reach them directly
 * (`pangaea.peer.…`, cluster/relay.ts: nodes that share a role's key could listen to each other), keeps its entry
 * among the members, and reads buckets. It makes none: who makes a bucket may have it republished into any other.
 * `observer` only reads: it hears what nodes say and answers nothing, neither by a reply nor in the place of whoever serves
 * a subject; and neither the records of runs, which hold the token of the data plane, nor their files.
 */
export const BUS_ROLES = ["coordinator", "node", "observer"] as const;
export type BusRole = (typeof BUS_ROLES)[number];

interface Permissions {
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
  /** Exceptions; for `subscribe` "subject queue". */
  readonly deny?: { readonly publish: readonly string[]; readonly subscribe: readonly string[] };
  /** May answer what it is asked. */
  readonly answers: boolean;
}

/** In the client's own domain, and in that of another site. */
const inDomains = (requests: readonly string[]): readonly string[] =>
  ["$JS.API", "$JS.*.API"].flatMap((api) => requests.map((request) => `${api}.${request}`));

const READ_BUCKETS = inDomains([
  "STREAM.INFO.*",
  "STREAM.MSG.GET.*",
  "CONSUMER.CREATE.*",
  "CONSUMER.DELETE.*.*",
]);

export const PERMISSIONS: Readonly<Record<BusRole, Permissions>> = {
  coordinator: {
    publish: ["pangaea.>", "$KV.>", "$JS.API.STREAM.CREATE.*", ...READ_BUCKETS, "$JS.*.API.>"],
    subscribe: ["pangaea.>"],
    answers: true,
  },
  node: {
    publish: [
      ...["pangaea.up.>", "pangaea.peer.>"],
      ...[`$KV.${MEMBERS}.>`, `$JS.*.API.$KV.${MEMBERS}.>`],
      ...[`$KV.${REGISTRY}.>`, `$JS.*.API.$KV.${REGISTRY}.>`],
      ...READ_BUCKETS,
    ],
    subscribe: ["pangaea.down.>", "pangaea.peer.>"],
    answers: true,
  },
  observer: {
    publish: READ_BUCKETS,
    subscribe: ["pangaea.up.>"],
    deny: {
      publish: inDomains(
        [RUNS, RUN_FILES].flatMap((bucket) => [
          `STREAM.MSG.GET.KV_${bucket}`,
          `CONSUMER.CREATE.KV_${bucket}`,
        ]),
      ),
      subscribe: ["pangaea.up.> >"],
    },
    answers: false,
  },
};

export interface RoleKey {
  readonly role: BusRole;
  /** "U…": stands in the account file. */
  readonly publicKey: string;
  /** "SU…": secret. */
  readonly seed: string;
}

/** A new key, from the system's randomness. */
export function createRoleKey(role: BusRole): RoleKey {
  const pair = nkeys.createUser();
  return { role, publicKey: pair.getPublicKey(), seed: decodeText(pair.getSeed()) };
}

/** The account file: `include` it in the server's configuration. Holds public keys only. */
export function accountFile(keys: readonly Pick<RoleKey, "role" | "publicKey">[]): string {
  const users = keys.map(({ role, publicKey }) => {
    const { publish, subscribe, deny, answers } = PERMISSIONS[role];
    const list = (subjects: readonly string[]): string => JSON.stringify(subjects);
    const but = (subjects: readonly string[] | undefined): string =>
      subjects === undefined ? "" : `, deny: ${list(subjects)}`;
    const responses = answers ? `\n          allow_responses: { max: 1, expires: "10m" }` : "";
    return `      { # ${role}
        nkey: ${publicKey}
        permissions: {
          publish: { allow: ${list(publish)}${but(deny?.publish)} }
          subscribe: { allow: ${list([...subscribe, `_INBOX_${publicKey}.>`])}${but(deny?.subscribe)} }${responses}
        }
      }`;
  });
  return `# Written by \`pangaea keys\`. Include it in the configuration of nats-server.
accounts {
  PANGAEA {
    jetstream: enabled
    users: [
${users.join("\n")}
    ]
  }
}
`;
}
