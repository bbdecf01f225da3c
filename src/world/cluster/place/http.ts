/**
 * Requests to schedulers, as JSON over HTTP: TCP, TLS or a unix socket, bounded in time and size. What passes by itself
 * (no connection, 429, 5xx) is tried again for requests that may be repeated.
 */
import { type IncomingMessage, request as plainRequest, type RequestOptions } from "node:http";
import { type RequestOptions as TlsOptions, request as tlsRequest } from "node:https";
import { type Bytes, MILLISECOND, type Micros, SECOND } from "../../../core/units.ts";
import type { Timers } from "../../bus/timers.ts";
import { sleep } from "../../bus/wait.ts";
import { isPassing, refusal, unreachable } from "./errors.ts";

export interface HttpOptions {
  /** For errors: "slurmrestd at /run/slurmrestd.socket". */
  readonly who: string;
  /** "http://host:6820", "https://…", "unix:/run/slurmrestd.socket". */
  readonly address: string;
  readonly timers: Timers;
  /** Sent with each request; called anew, since tokens are renewed in place. */
  readonly headers?: (() => Readonly<Record<string, string>>) | undefined;
  /** PEM texts: whom to trust, and this client's own certificate. */
  readonly tls?: Pick<TlsOptions, "ca" | "cert" | "key" | "servername"> | undefined;
  /** For one request; 10 s by default. */
  readonly deadline?: Micros | undefined;
  /** How often what passes is tried again; 4 by default. */
  readonly attempts?: number | undefined;
}

export interface Answer {
  readonly status: number;
  /** Parsed where it is JSON, else the text. */
  readonly body: unknown;
}

const LARGEST: Bytes = 64e6;
const FIRST_PAUSE: Micros = 100 * MILLISECOND;

export class HttpClient {
  readonly #options: HttpOptions;

  constructor(options: HttpOptions) {
    this.#options = options;
  }

  get who(): string {
    return this.#options.who;
  }

  /**
   * The body of a success. What passes is tried again, unless it makes something.
   * @param named what is made has a name of ours: that it is there at a later attempt is a success
   */
  async ask(method: string, path: string, body?: unknown, named = false): Promise<unknown> {
    const { attempts = 4, timers } = this.#options;
    const once = method === "POST" && !named;
    for (let left = once ? 1 : attempts, pause = FIRST_PAUSE; ; left--, pause *= 2) {
      try {
        const answer = await this.send(method, path, body);
        if (answer.status < 300) return answer.body;
        if (named && answer.status === 409 && left < attempts) return answer.body;
        throw refusal(this.who, answer.status, saying(answer.body));
      } catch (error) {
        if (left <= 1 || !isPassing(error)) throw error;
      }
      await sleep(timers, pause);
    }
  }

  /** One request. @throws PangaeaError SCHEDULER_UNREACHABLE */
  async send(method: string, path: string, body?: unknown): Promise<Answer> {
    const text = body === undefined ? undefined : JSON.stringify(body);
    const response = await this.open(method, path, text);
    const whole = await textOf(response, this.who);
    return { status: response.statusCode ?? 0, body: parsed(whole) };
  }

  /** The answer as it comes: for watches and logs. Its headers have come within the deadline. */
  open(method: string, path: string, text?: string, endless = false): Promise<IncomingMessage> {
    const { address, headers, tls, timers, deadline = 10 * SECOND } = this.#options;
    const options: RequestOptions & TlsOptions = {
      ...whereOf(address),
      method,
      headers: {
        accept: "application/json, text/plain, */*",
        ...headers?.(),
        ...(text === undefined
          ? {}
          : {
              "content-type": "application/json",
              "content-length": String(Buffer.byteLength(text)),
            }),
      },
      ...tls,
      agent: false,
    };
    return new Promise((resolve, reject) => {
      const send = address.startsWith("https:") ? tlsRequest : plainRequest;
      const request = send({ ...options, path: `${basePath(address)}${path}` });
      const late = timers.after(deadline, () =>
        request.destroy(new Error(`no answer in ${deadline / SECOND} s`)),
      );
      request.on("error", (error) => {
        late();
        reject(unreachable(this.who, error));
      });
      request.on("response", (response) => {
        if (endless) late();
        else response.on("close", late);
        resolve(response);
      });
      request.end(text);
    });
  }
}

function whereOf(address: string): RequestOptions {
  if (address.startsWith("unix:")) return { socketPath: address.slice(5), host: "localhost" };
  const { protocol, hostname, port } = new URL(address);
  const usual = protocol === "https:" ? 443 : 80;
  return { host: hostname.replace(/^\[|\]$/g, ""), port: port === "" ? usual : Number(port) };
}

const basePath = (address: string): string =>
  address.startsWith("unix:") ? "" : new URL(address).pathname.replace(/\/$/, "");

function textOf(response: IncomingMessage, who: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = "";
    response.setEncoding("utf8");
    response.on("data", (piece: string) => {
      text += piece;
      if (text.length > LARGEST) response.destroy(new Error("an answer without end"));
    });
    response.on("end", () => resolve(text));
    response.on("error", (error) => reject(unreachable(who, error)));
    response.on("close", () => reject(unreachable(who, new Error("the answer broke off"))));
  });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** What the body of a refusal says: Kubernetes' `message`, the first of Slurm's `errors`, or its first line. */
export function saying(body: unknown): string {
  if (typeof body === "string") return body.split("\n")[0]?.slice(0, 300) ?? "";
  const { message, errors } = (body ?? {}) as {
    readonly message?: string;
    readonly errors?: readonly { readonly error?: string; readonly description?: string }[];
  };
  if (typeof message === "string") return message;
  const [first] = Array.isArray(errors) ? errors : [];
  return [first?.error, first?.description].filter((part) => part).join(": ");
}
