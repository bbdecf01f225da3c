/**
 * An API server of Kubernetes for tests: it takes Jobs and JobSets that are valid, makes a pod for each index, lets a test
 * play what becomes of them, and is refused, slow of mind and forgetful on demand.
 */
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { GROUP_LABEL } from "../../src/world/cluster/place/kubernetes/manifest.ts";
import type { Pod } from "../../src/world/cluster/place/kubernetes/pods.ts";
import { kubernetesProblems } from "./kubernetes-schemas.ts";

type Status = NonNullable<Pod["status"]>;

interface JobLike {
  readonly metadata: { readonly name: string };
  readonly spec: {
    readonly completions: number;
    readonly template: { readonly metadata: { readonly labels: Record<string, string> } };
  };
}
interface JobSetLike {
  readonly kind: string;
  readonly spec: {
    readonly replicatedJobs: readonly { readonly name: string; readonly template: JobLike }[];
  };
}

interface Reply {
  readonly status: number;
  readonly body: unknown;
}
const reply = (status: number, body: unknown): Reply => ({ status, body });

const INDEX = "batch.kubernetes.io/job-completion-index";

export class FakeKubernetes {
  readonly made: unknown[] = [];
  readonly requests: string[] = [];
  readonly logs = new Map<string, string>();
  /** Why no pods are made: a quota, or a policy of the namespace. */
  forbidden: string | undefined;
  /** Warnings by the name of what they are about. Pods' names end at random, as here. */
  readonly warnings = new Map<
    string,
    readonly { readonly reason: string; readonly message: string }[]
  >();
  /** Pods stay when they are deleted, as those of a node that does not answer do. */
  deaf = false;
  nodes: object[] | undefined;
  jobSets = false;
  /** Drops what an old server does not know. */
  old = false;
  /** Answers of the next requests whose line matches. */
  readonly refusals: {
    readonly matches: RegExp;
    readonly status: number;
    readonly message?: string;
    /** What was asked for is done nevertheless. */
    readonly after?: boolean;
    /** How many are let through first. */
    skips?: number;
  }[] = [];
  readonly #pods = new Map<string, Pod>();
  readonly #watches = new Set<ServerResponse>();
  readonly #server = createServer((request, response) => this.#serve(request, response));
  #version = 100;
  #told: (() => void)[] = [];
  #address = "";

  get address(): string {
    return this.#address;
  }

  async start(): Promise<void> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    const { port } = this.#server.address() as { readonly port: number };
    this.#address = `http://127.0.0.1:${port}`;
  }

  async stop(): Promise<void> {
    this.dropWatches();
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, "close");
  }

  /** When a request has come of which the line matches. */
  async asked(line: RegExp, times = 1): Promise<void> {
    while (this.requests.filter((one) => line.test(one)).length < times) {
      await new Promise<void>((resolve) => this.#told.push(resolve));
    }
  }

  /** @param seat "g0/1": group and index */
  play(seat: string, status: Status): void {
    const [name, pod] = this.#seat(seat);
    this.#put(name, { ...pod, status }, "MODIFIED");
  }

  /** What happens while nobody watches. */
  playUnseen(seat: string, status: Status | "deleted"): void {
    const [name, pod] = this.#seat(seat);
    if (status === "deleted") this.#pods.delete(name);
    else this.#pods.set(name, { ...pod, status });
  }

  playAll(status: Status): void {
    for (const [name, pod] of this.#pods) this.#put(name, { ...pod, status }, "MODIFIED");
  }

  get podCount(): number {
    return this.#pods.size;
  }

  dropWatches(): void {
    for (const watch of this.#watches) watch.destroy();
    this.#watches.clear();
  }

  /** As when the version that a watch asks from is compacted away. */
  expireWatches(): void {
    const gone = { kind: "Status", code: 410, reason: "Expired" };
    for (const watch of this.#watches)
      watch.end(`${JSON.stringify({ type: "ERROR", object: gone })}\n`);
    this.#watches.clear();
  }

  #seat(seat: string): readonly [string, Pod] {
    const [group, index] = seat.split("/");
    const found = [...this.#pods].find(
      ([, { metadata }]) =>
        metadata.labels?.[GROUP_LABEL] === group && metadata.annotations?.[INDEX] === index,
    );
    if (!found) throw new Error(`no pod sits at ${seat}`);
    return found;
  }

  #put(name: string, pod: Pod, type: string): void {
    const resourceVersion = String(++this.#version);
    const object = { ...pod, metadata: { ...pod.metadata, resourceVersion } };
    this.#pods.set(name, object);
    this.#tell(type, object);
  }

  #tell(type: string, object: unknown): void {
    for (const watch of this.#watches) watch.write(`${JSON.stringify({ type, object })}\n`);
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let text = "";
    for await (const piece of request) text += piece;
    const line = `${request.method} ${request.url}`;
    const answer = (status: number, body: unknown): void => {
      const plain = typeof body === "string";
      response.writeHead(status, { "content-type": plain ? "text/plain" : "application/json" });
      response.end(plain ? body : JSON.stringify(body));
    };
    const refusal = this.refusals.find((one) => {
      if (!one.matches.test(line)) return false;
      if (!one.skips) return true;
      one.skips--;
      return false;
    });
    if (refusal) this.refusals.splice(this.refusals.indexOf(refusal), 1);
    const made = !refusal || refusal.after ? this.#route(line, text, response) : undefined;
    if (refusal) answer(refusal.status, { kind: "Status", message: refusal.message ?? "refused" });
    else if (made) answer(made.status, made.body);
    this.requests.push(line);
    for (const tell of this.#told.splice(0)) tell();
  }

  #route(line: string, text: string, response: ServerResponse): Reply | undefined {
    if (line === "GET /api/v1/nodes") {
      if (!this.nodes) return reply(403, { message: "nodes is forbidden" });
      return reply(200, { items: this.nodes });
    }
    if (line.startsWith("GET /apis/jobset")) return reply(this.jobSets ? 200 : 404, {});
    const log = /^GET \/api\/v1\/namespaces\/training\/pods\/([^/]+)\/log/.exec(line)?.[1];
    if (log !== undefined) {
      const written = this.logs.get(log);
      return written === undefined ? reply(404, {}) : reply(200, written);
    }
    if (/^GET \/api\/v1\/namespaces\/training\/pods\?/.test(line)) {
      if (!line.includes("&watch=1")) {
        const metadata = { resourceVersion: String(this.#version) };
        return reply(200, { metadata, items: [...this.#pods.values()] });
      }
      response.writeHead(200, { "content-type": "application/json" });
      response.flushHeaders();
      this.#watches.add(response);
      return undefined;
    }
    const about = /events\?fieldSelector=involvedObject\.name%3D([^%]+)%2Ctype%3DWarning$/.exec(
      line,
    );
    if (about) {
      const items = (this.warnings.get(about[1] ?? "") ?? []).map((warning, i) => ({
        ...warning,
        metadata: { resourceVersion: String(i + 9) },
      }));
      return reply(200, { items });
    }
    if (line.startsWith("POST ")) return this.#make(line, text);
    if (line.startsWith("DELETE ")) return this.#remove(line, text);
    return reply(404, { message: `no route ${line}` });
  }

  #make(line: string, text: string): Reply {
    const object = JSON.parse(text) as JobLike & JobSetLike;
    const wrong = kubernetesProblems(object);
    if (wrong.length > 0) return reply(422, { message: wrong.join("; ") });
    const kind = object.kind.toLowerCase();
    if (!line.endsWith(`/namespaces/training/${kind}s`)) return reply(404, {});
    const { name } = object.metadata;
    const there = this.made.some((one) => (one as JobLike).metadata.name === name);
    if (there) return reply(409, { message: `${name} already exists` });
    this.made.push(object);
    const jobs =
      object.kind === "Job" ? [object] : object.spec.replicatedJobs.map(({ template }) => template);
    for (const [n, job] of jobs.entries()) this.#makePods(`${name}-${n}`, job);
    if (this.old) Reflect.deleteProperty(object.spec, "backoffLimitPerIndex");
    return reply(201, object);
  }

  #makePods(job: string, { metadata: own, spec }: JobLike): void {
    if (this.forbidden !== undefined) {
      const pod = `${own.name}-0-${String(++this.#version)}`;
      const message = `Error creating: pods "${pod}" is forbidden: ${this.forbidden}`;
      this.warnings.set(own.name, [{ reason: "FailedCreate", message }]);
      return;
    }
    for (let i = 0; i < spec.completions; i++) {
      const name = `${job}-${i}`;
      const { labels } = spec.template.metadata;
      const metadata = { name, labels, annotations: { [INDEX]: String(i) } };
      this.#put(name, { metadata, status: { phase: "Pending" } }, "ADDED");
    }
  }

  #remove(line: string, text: string): Reply {
    const { propagationPolicy } = JSON.parse(text) as { readonly propagationPolicy?: string };
    const name = line.split("/").at(-1) ?? "";
    const at = this.made.findIndex((one) => (one as JobLike).metadata.name === name);
    if (at === -1) return reply(404, { message: `${name} not found` });
    this.made.splice(at, 1);
    // Without propagation a Job's pods would stay.
    if (propagationPolicy === undefined) return reply(200, {});
    if (this.deaf) return reply(200, {});
    for (const [pod, object] of [...this.#pods].filter(([pod]) => pod.startsWith(name))) {
      this.#pods.delete(pod);
      this.#tell("DELETED", object);
    }
    return reply(200, {});
  }
}
