/**
 * The pods of a run, followed by list and watch: what a watch says is merged into what the list said; a watch that
 * drops, expires (410) or is refused for a moment is begun anew from a new list, which also shows what was deleted
 * meanwhile.
 */
import type { IncomingMessage } from "node:http";
import { type Micros, SECOND } from "../../../../core/units.ts";
import type { Timers } from "../../../bus/timers.ts";
import { sleep } from "../../../bus/wait.ts";
import { isPassing, refusal } from "../errors.ts";
import type { HttpClient } from "../http.ts";
import type { Pod } from "./pods.ts";

export interface PodListener {
  /** Added or changed. */
  seen(pod: Pod): void;
  deleted(pod: Pod): void;
  /** The API server could not be asked for longer than patience, or refuses for good. */
  lost(error: unknown): void;
}

interface Happening {
  readonly type: "ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK" | "ERROR";
  readonly object: Pod;
}

const WATCH_SECONDS = 240;
const PAUSE: Micros = SECOND / 2;

export class PodWatch {
  readonly #http: HttpClient;
  readonly #path: string;
  readonly #timers: Timers;
  readonly #patience: Micros;
  readonly #listener: PodListener;
  readonly #pods = new Map<string, Pod>();
  #stream: IncomingMessage | undefined;
  #stopped = false;
  /** When the API server last said anything. */
  #heard: Micros = 0;

  constructor(
    http: HttpClient,
    of: { readonly namespace: string; readonly selector: string },
    options: { readonly timers: Timers; readonly patience: Micros },
    listener: PodListener,
  ) {
    this.#http = http;
    const selector = encodeURIComponent(of.selector);
    this.#path = `/api/v1/namespaces/${of.namespace}/pods?labelSelector=${selector}`;
    this.#timers = options.timers;
    this.#patience = options.patience;
    this.#listener = listener;
  }

  /** Follows until `stop`; resolves then. */
  async run(): Promise<void> {
    this.#hear();
    while (!this.#stopped) {
      try {
        const version = await this.#list();
        this.#hear();
        await this.#watch(version);
      } catch (error) {
        if (!isPassing(error) || this.#timers.now() - this.#heard > this.#patience) {
          this.#listener.lost(error);
          return;
        }
      }
      if (!this.#stopped) await sleep(this.#timers, PAUSE);
    }
  }

  stop(): void {
    this.#stopped = true;
    this.#stream?.destroy();
  }

  async #list(): Promise<string> {
    const list = (await this.#http.ask("GET", this.#path)) as {
      readonly metadata?: { readonly resourceVersion?: string };
      readonly items?: readonly Pod[];
    };
    const there = new Map((list.items ?? []).map((pod) => [pod.metadata.name, pod]));
    for (const [name, pod] of this.#pods) if (!there.has(name)) this.#delete(pod);
    for (const pod of there.values()) this.#see(pod);
    return list.metadata?.resourceVersion ?? "";
  }

  async #watch(version: string): Promise<void> {
    if (this.#stopped) return;
    const from = `&watch=1&allowWatchBookmarks=true&resourceVersion=${encodeURIComponent(version)}`;
    const path = `${this.#path}${from}&timeoutSeconds=${WATCH_SECONDS}`;
    const stream = await this.#http.open("GET", path, undefined, true);
    this.#stream = stream;
    // Stopped while the answer was under way.
    if (this.#stopped) stream.destroy();
    const status = stream.statusCode ?? 0;
    if (status >= 300) {
      stream.destroy();
      if (status === 410) return;
      throw refusal(this.#http.who, status, "");
    }
    // Half a connection: the server ends a watch by itself before this.
    const late = this.#timers.after((WATCH_SECONDS + 30) * SECOND, () => stream.destroy());
    try {
      for await (const line of linesOf(stream)) {
        const happening = JSON.parse(line) as Happening;
        this.#hear();
        if (happening.type === "ERROR") return;
        if (happening.type === "DELETED") this.#delete(happening.object);
        else if (happening.type !== "BOOKMARK") this.#see(happening.object);
      }
      // It has ended it by itself.
      this.#hear();
    } catch {
      // It broke off: the next list says what was missed.
    } finally {
      late();
      stream.destroy();
    }
  }

  #hear(): void {
    this.#heard = this.#timers.now();
  }

  #see(pod: Pod): void {
    this.#pods.set(pod.metadata.name, pod);
    this.#listener.seen(pod);
  }

  #delete(pod: Pod): void {
    this.#pods.delete(pod.metadata.name);
    this.#listener.deleted(pod);
  }
}

/** Line by line; ends with the stream, also when that is destroyed (readline's iterator would not). */
async function* linesOf(stream: IncomingMessage): AsyncGenerator<string> {
  let rest = "";
  stream.setEncoding("utf8");
  for await (const piece of stream as AsyncIterable<string>) {
    const lines = (rest + piece).split("\n");
    rest = lines.pop() ?? "";
    yield* lines.filter((line) => line !== "");
  }
}
