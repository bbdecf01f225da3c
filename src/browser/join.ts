/**
 * A page as a worker of a cluster: a member that takes runs one after another, reads its data itself, and trains on
 * them in Web Workers. What leaves the page is what its programs send: parameters and updates, never a file.
 */
import { PangaeaError } from "../core/errors.ts";
import { freshName } from "../world/bus/fresh.ts";
import { restored } from "../world/live/protocol.ts";
import { checkAccess } from "./access.ts";
import { answerRead, type FileSource, filesBelow } from "./files.ts";
import type { FromAgent, PageMember, ToAgent } from "./messages.ts";
import { requireBrowser, type WebWorker, whole } from "./platform.ts";
import { VERSION } from "./version.ts";

declare const Worker: new (address: URL, options: { readonly type: "module" }) => WebWorker;

export interface JoinOptions {
  /** NATS's WebSocket: "wss://host/path", "ws://" on loopback; several of one cluster. */
  readonly nats: string | readonly string[];
  /** At which the data of this page are. */
  readonly site: string;
  /** The secret key of role `node` (`pangaea keys`): "SU…". Absent only on loopback. */
  readonly seed?: string | undefined;
  /** The public key that orders are signed with; absent only on loopback. */
  readonly coordinatorKey?: string | undefined;
  /** Where data are read: the address of a folder, or a function of a path (`filesPicked`). */
  readonly files: string | FileSource;
  /** Leaves the cluster, in order. */
  readonly signal: AbortSignal;
  /** Hears what the agent does. */
  readonly onStatus?: ((text: string) => void) | undefined;
  /** Unique in the cluster; by default the site and chance. */
  readonly id?: string | undefined;
  /** JetStream domain that keeps the members. */
  readonly domain?: string | undefined;
  /** What runs can ask for: `{ device: "phone" }`. */
  readonly labels?: Readonly<Record<string, string | number>> | undefined;
}

/**
 * Joins a cluster and serves until the signal. Resolves when it has left in order. Rejects with NO_BROWSER,
 * BUS_INSECURE, BUS_PLAIN, BUS_ADDRESS, BUS_CREDENTIALS, BUS_UNAUTHENTICATED, BUS_UNREACHABLE, or PAGE_WORKER_FAILED
 * where the Web Worker cannot be loaded.
 */
export async function joinCluster(options: JoinOptions): Promise<void> {
  requireBrowser();
  const member = memberOf(options);
  const files = typeof options.files === "string" ? filesBelow(options.files) : options.files;
  const { signal, onStatus = () => {} } = options;
  if (signal.aborted) return;
  const worker = new Worker(new URL("./agent.js", import.meta.url), { type: "module" });
  const give = (message: ToAgent, transfer: readonly unknown[] = []): void =>
    worker.postMessage(message, transfer);
  const leave = (): void => give({ type: "leave" });
  signal.addEventListener("abort", leave, { once: true });
  try {
    await new Promise<void>((resolve, reject) => {
      worker.onerror = ({ message }) => reject(notLoaded(message));
      worker.onmessage = ({ data }) => {
        const said = data as FromAgent;
        if (said.type === "status") onStatus(said.text);
        else if (said.type === "read")
          answerRead(said, files).then((answer) => give(answer, whole(answer.bytes)), reject);
        else if (said.failure) reject(restored(said.failure));
        else resolve();
      };
      give({ type: "join", member });
    });
  } finally {
    signal.removeEventListener("abort", leave);
    worker.terminate();
  }
}

function memberOf(options: JoinOptions): PageMember {
  const { nats, site, seed, coordinatorKey, domain, labels = {} } = options;
  const servers = typeof nats === "string" ? [nats] : nats;
  const bus = checkAccess({ servers, seed }, coordinatorKey);
  const id = options.id ?? `${site}/page-${freshName().slice(0, 8)}`;
  const resources = { ...labels, slots: 1 };
  return { bus, id, site, version: VERSION, domain, coordinatorKey, resources };
}

const notLoaded = (message: string | undefined): PangaeaError =>
  new PangaeaError(
    "PAGE_WORKER_FAILED",
    `the page's Web Worker failed: ${message ?? "no reason"}`,
    {
      fix: "serve dist/ with its imports resolved for workers, too: docs/architecture.md, Browsers",
    },
  );
