/**
 * A run at one agent: its host, the orders that it gets, what it says. The host outlives its coordinator: it goes on,
 * and what it says is kept, until another coordinator asks for it or nobody has led the run for a long time.
 */
import { type Bytes, type Micros, SECOND } from "../../core/units.ts";
import type { Subscription } from "../bus/contract.ts";
import { freshName } from "../bus/fresh.ts";
import { epochOf, type orderCheck } from "../bus/signed.ts";
import type { RunningHost } from "../live/fleet.ts";
import { fromBytes, toBytes } from "../live/portable.ts";
import type { FromHost, HostSetup } from "../live/protocol.ts";
import { Conveyor, Intake } from "./conveyor.ts";
import type { Down, Up } from "./orders.ts";
import type { MemberOptions } from "./serving.ts";
import { down, up } from "./subjects.ts";

/** So long nobody may lead the run. */
const LEADERLESS: Micros = 600 * SECOND;
/** So much of a host's copies is kept while nobody takes them. */
const KEEP: Bytes = 256 * 2 ** 20;
/** The last messages are acknowledged in this time, or never. */
const LAST_WORDS: Micros = 3 * SECOND;

const RELEASED = "released";

/** Starts the host of a run at this agent; when it has ended, nothing of it is left. */
export type StartHost = (
  order: Pick<HostSetup, "run" | "host" | "names" | "token" | "task">,
  onMessage: (message: FromHost) => void,
) => Promise<RunningHost>;

export class Assignment {
  /** Of orders of this run. */
  readonly check: ReturnType<typeof orderCheck>;
  /** By which the coordinator knows that it is this agent that speaks; nobody can guess it. */
  readonly voice = freshName();
  /** Settles when the run is over here. */
  readonly over: Promise<void>;
  readonly #run: string;
  readonly #options: MemberOptions;
  readonly #conveyor: Conveyor;
  readonly #subscriptions: Subscription[] = [];
  /** What another coordinator must know of the host. */
  #story: Up[] = [];
  #finish: () => void = () => {};
  #host: RunningHost | undefined;
  #starting: Promise<void> = Promise.resolve();
  #forget: () => void = () => {};
  #ending: Promise<void> | undefined;
  #released = false;
  #drops = 0;

  /** @param epoch of the coordinator that has reserved it */
  constructor(run: string, epoch: number, check: Assignment["check"], options: MemberOptions) {
    this.#run = run;
    this.check = check;
    this.#options = options;
    this.over = new Promise((resolve) => {
      this.#finish = resolve;
    });
    const { bus, timers, notify } = options;
    this.#conveyor = new Conveyor({
      ...{ bus, timers, subject: up(run, epoch), source: `${this.voice}/1` },
      onRefused: (error) => notify(`run ${run}: ${error.message}`),
      keepSpare: options.keepBytes ?? KEEP,
      onDropped: () => this.#dropped(),
    });
  }

  /** @param leases the bucket in which the run's leader renews its lease. */
  async open(leases: string): Promise<void> {
    const { bus, id, domain, notify } = this.#options;
    const subject = down(id, this.#run);
    const intake = new Intake((message) => this.#obey(fromBytes(message) as Down));
    const hearing = await bus.serve(subject, (batch) => {
      const orders = this.check(subject, batch);
      this.ledIn(epochOf(batch));
      intake.take(orders);
      return new Uint8Array(0);
    });
    this.#subscriptions.push(hearing);
    this.#led();
    const kv = await bus.kv(leases, { domain });
    this.#subscriptions.push(await kv.watch({ key: this.#run }, () => this.#led()));
    notify(`run ${this.#run}: hears orders`);
  }

  /** From now on its coordinator is that of this epoch. */
  ledIn(epoch: number): void {
    this.#conveyor.redirect(up(this.#run, epoch));
  }

  /** It was given back, and ends. */
  get released(): boolean {
    return this.#released;
  }

  /** Ends the host, sends what it said, gives everything back. */
  end(why: string): Promise<void> {
    this.#ending ??= this.#end(why);
    return this.#ending;
  }

  #obey(order: Down): void {
    this.#led();
    if (order.type === "start") {
      this.#starting = this.#start(order).catch((error: unknown) => {
        const how = error instanceof Error ? error.message : String(error);
        this.#say({ type: "ended", end: { how, lastLines: [] } });
      });
    } else if (order.type === "release") {
      this.#released = true;
      this.end(RELEASED).catch(() => {});
    } else if (order.type === "attach") {
      for (const said of this.#story) this.#conveyor.push(toBytes(said));
    } else {
      // A host that is being started hears it when it is there.
      const give = (): void => {
        if (order.type === "kill") this.#host?.kill();
        else this.#host?.post(order.message);
      };
      this.#starting.then(give, give);
    }
  }

  async #start({ type: _, ...order }: Extract<Down, { type: "start" }>): Promise<void> {
    if (this.#host || this.#ending !== undefined) return;
    const { startHost, notify } = this.#options;
    const run = this.#run;
    const running = await startHost({ run, ...order }, (message) =>
      this.#say({ type: "from", message }),
    );
    this.#host = running;
    this.#say({ type: "started", pid: running.pid });
    const what = running.pid === undefined ? "runs" : `is process ${running.pid}`;
    notify(`run ${run}: host ${running.name} ${what}`);
    running.ended.then(
      (end) => this.#say({ type: "ended", end }),
      () => {},
    );
  }

  #say(said: Up): void {
    // Who has begun had joined: in the story only the last of both, since "joined" alone says that it has not begun.
    if (isFrom(said, "begun")) this.#story = this.#story.filter((one) => !isFrom(one, "joined"));
    if (isOfStory(said)) this.#story.push(said);
    // Copies can be judged at fewer times; events are what the log is made of.
    const spare = said.type === "from" && said.message.type === "said";
    this.#conveyor.push(toBytes(said), spare);
  }

  /** Says so once, until somebody takes what is left. */
  #dropped(): void {
    if (this.#drops++ > 0) return;
    const { id, notify } = this.#options;
    const text = `${id} drops the oldest pieces of copies that nobody takes: they are not judged at those clocks`;
    notify(`run ${this.#run}: ${text}`);
    this.#say({ type: "from", message: { type: "warning", text } });
    this.#conveyor.empty().then(
      () => {
        this.#drops = 0;
      },
      () => {},
    );
  }

  /** Somebody leads the run. */
  #led(): void {
    const { timers, notify } = this.#options;
    this.#forget();
    this.#forget = timers.after(LEADERLESS, () => {
      notify(`run ${this.#run}: nobody has led it for ${LEADERLESS / SECOND} s`);
      this.end("nobody leads the run").catch(() => {});
    });
  }

  async #end(why: string): Promise<void> {
    const { timers, notify } = this.#options;
    this.#forget();
    await this.#starting;
    this.#host?.kill();
    await this.#host?.ended;
    notify(`run ${this.#run}: ${why}`);
    // Who gives an agent back wants to hear no more, and may be gone already.
    if (why !== RELEASED) {
      let stop = (): void => {};
      const late = new Promise<void>((resolve) => {
        stop = timers.after(LAST_WORDS, resolve);
      });
      await Promise.race([this.#conveyor.empty(), late]);
      stop();
    }
    this.#conveyor.close();
    for (const subscription of this.#subscriptions) subscription.close();
    this.#finish();
  }
}

const STORY = ["listening", "joined", "begun", "ended", "failed", "stopped"];
const isFrom = (said: Up, type: FromHost["type"]): boolean =>
  said.type === "from" && said.message.type === type;
const isOfStory = (said: Up): boolean => said.type !== "from" || STORY.includes(said.message.type);
