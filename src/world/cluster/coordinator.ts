/**
 * Who leads a run: the holder of its lease. The lease's epoch stands in every order, so that agents refuse those of
 * an earlier leader, and in the run's record, which only the latest leader can write.
 */
import { randomBytes } from "node:crypto";
import { PangaeaError } from "../../core/errors.ts";
import { Scope } from "../../core/scope.ts";
import type { Micros } from "../../core/units.ts";
import { type Buckets, bucketsOfRun, openRegistry } from "../bus/buckets.ts";
import type { Bus } from "../bus/contract.ts";
import { acquireLease, type Lease } from "../bus/lease.ts";
import { type KeptFiles, keepFiles, type RunFiles } from "../bus/run-files.ts";
import { realTimers, type Timers } from "../bus/timers.ts";
import { type ClusterAccess, joinBus, signingKey } from "./access.ts";
import { ClusterFleet, type ClusterFleetOptions } from "./fleet.ts";
import { type RunRecord, RunRecords } from "./record.ts";
import { type Crew, Roster, type Wanted } from "./roster.ts";
import { asWord, LEASES } from "./subjects.ts";

/** Where a run is led, and how whoever leads it is told. */
export interface Place {
  readonly nats: readonly string[];
  readonly domain: string | undefined;
  readonly access: ClusterAccess;
  readonly signal: AbortSignal;
  /** Tells whom it waits for. */
  readonly tell: (text: string) => void;
}

export interface LeadOptions extends Place {
  /** Of the experiment, and the resolved experiment. */
  readonly title: string;
  readonly spec: unknown;
  readonly wanted: Omit<Wanted, "version">;
  /** What the experiment names that is no data, for the hosts. */
  readonly files?: RunFiles | undefined;
  /** How long to wait for agents. */
  readonly waitMicros: Micros;
  /** Without a renewal for so long, another may lead the run. */
  readonly leaseMicros: Micros;
  /** Starts the agents of the run, where they are not there. */
  readonly place?: ((run: string, scope: Scope) => Promise<PlacedAgents>) | undefined;
}

/** Agents that were started for a run. */
export interface PlacedAgents {
  /** Settles when one of them fails, with how it ended and its last lines. */
  readonly failed: Promise<Error>;
  takeBack(): Promise<void>;
}

/** A run that this process leads. */
export interface Led {
  readonly run: string;
  readonly crew: Crew;
  readonly fleet: ClusterFleet;
  readonly records: RunRecords;
  /** Settles when it is led from elsewhere, or cannot be led from here. */
  readonly lost: Promise<Error>;
  close(): Promise<void>;
}

/** The label by which a run knows the agents that were started for it. */
export const FOR_RUN = "run";

const secret = (bytes: number): string => randomBytes(bytes).toString("hex");

/** Leads a new run: takes its lease, and waits until the agents that it needs are reserved. */
export async function leadRun(options: LeadOptions): Promise<Led> {
  const { access, title, wanted, leaseMicros } = options;
  const run = `${asWord(title).toLowerCase().slice(0, 40)}-${secret(4)}`;
  const leading = await Leading.open(run, options);
  try {
    await leading.take(leaseMicros);
    const { seed } = signingKey(access);
    const token = secret(16);
    const fleet = await leading.fleet({ seed, token });
    if (options.place) await leading.place(options.place);
    const labels = options.place ? { ...wanted.labels, [FOR_RUN]: run } : wanted.labels;
    const crew = await leading.muster({ ...wanted, labels, version: access.version }, options);
    if (options.files) await leading.keep(options.files);
    const records = await leading.write({
      files: options.files?.list,
      ...{ run, spec: options.spec, token, hostOf: crew.hostOf, agents: crew.agents },
      ...{ phase: "starting", goAt: [], members: [], leaseMicros },
      seed: access.seed === undefined ? seed : undefined,
    });
    return leading.led(crew, fleet, records);
  } catch (error) {
    await leading.close();
    throw error;
  }
}

/** A run that another has led, before this process goes on with it. */
export interface Taken {
  readonly record: RunRecord;
  /** Where its files are. */
  readonly buckets: Buckets;
  /**
   * @param wanted nodes of the run, as its experiment is planned, and what their agents must be.
   * @param files of the run, which are kept from now on from here.
   */
  lead(wanted: Omit<Wanted, "version">, files: RunFiles): Promise<Led>;
  /** Gives its agents back: the run is over. */
  giveUp(): Promise<void>;
  /** Hands the run on, whose hosts go on meanwhile; one that is being ended is ended. */
  leave(): void;
  close(): Promise<void>;
}

/**
 * Waits until nobody leads the run, and leads it.
 * @returns nothing where the run is over, or is not known.
 */
export async function takeRun(run: string, place: Place): Promise<Taken | undefined> {
  const leading = await Leading.open(run, place);
  try {
    const known = await leading.read();
    if (known && known.phase !== "over") await leading.take(known.leaseMicros);
    const record = await leading.read();
    if (!record || record.phase === "over") {
      await leading.close();
      return undefined;
    }
    const { token, agents, hostOf } = record;
    const seed = record.seed ?? signingKey(place.access).seed;
    const fleetOf = () => leading.fleet({ seed, token, attach: true });
    return {
      record,
      buckets: leading.buckets(),
      close: () => leading.close(),
      leave: () => leading.leave(),
      giveUp: async () => {
        const fleet = await fleetOf();
        await leading.write({ ...record, phase: "over" });
        for (const agent of agents) fleet.release(agent);
        await fleet.close();
      },
      lead: async (wanted, files) => {
        const fleet = await fleetOf();
        await leading.keep(files);
        const crew: Crew = { agents, hostOf };
        fleet.take(crew, { ...wanted, version: place.access.version });
        return leading.led(crew, fleet, await leading.write(record));
      },
    };
  } catch (error) {
    await leading.close();
    throw error;
  }
}

const inWords = (error: unknown): string => {
  const { message, fix } = error as Partial<PangaeaError>;
  return fix === undefined ? String(message) : `${message}; ${fix}`;
};

/** What must be given back in the end, in the order in which it was taken. */
class Leading {
  readonly #run: string;
  readonly #bus: Bus;
  readonly #timers: Timers = realTimers();
  readonly #place: Place;
  readonly #scope = new Scope();
  readonly #interrupt = (): void => this.#scope.cancel("interrupted");
  readonly #lost: Promise<Error>;
  #lose: (error: Error) => void = () => {};
  #loss: Error | undefined;
  #roster: Roster | undefined;
  #lease: Lease | undefined;
  #records: RunRecords | undefined;
  #fleet: ClusterFleet | undefined;
  #placed: PlacedAgents | undefined;
  #files: KeptFiles | undefined;
  /** Another is to go on with the run. */
  #left = false;
  #closing: Promise<void> | undefined;

  private constructor(run: string, bus: Bus, place: Place) {
    this.#run = run;
    this.#bus = bus;
    this.#place = place;
    this.#lost = new Promise((resolve) => {
      this.#lose = (error) => {
        // Nothing more is ordered from here; then who waits for it hears of it, then hosts count as lost.
        this.#loss = error;
        this.#fleet?.silence();
        resolve(error);
        setImmediate(() => this.#fleet?.abandon());
      };
    });
    place.signal.addEventListener("abort", this.#interrupt, { once: true });
  }

  static async open(run: string, place: Place): Promise<Leading> {
    const bus = await joinBus(place.nats, `${run} ${secret(2)}`, place.access, {
      tell: place.tell,
    });
    return new Leading(run, bus, place);
  }

  /** Waits until the lease is free. */
  async take(durationMicros: Micros): Promise<void> {
    const kv = await this.#bus.kv(LEASES, { domain: this.#place.domain });
    const holder = `${this.#run} ${secret(4)}`;
    const options = { timers: this.#timers, holder, durationMicros };
    this.#lease = await acquireLease(kv, this.#run, options, this.#scope);
    this.#lease.ended.then(
      (error) => {
        if (error) this.#lose(this.#notLed(error));
      },
      (error: unknown) => this.#lose(error as Error),
    );
  }

  #notLed(cause: Error): PangaeaError {
    const what = `run ${this.#run} is no longer led from here (is NATS out of reach?): ${cause.message}`;
    const fix = `its hosts go on: a standby leads it to its end, or \`pangaea resume ${this.#run}\``;
    return new PangaeaError("LEASE_LOST", what, { cause, fix });
  }

  read(): Promise<RunRecord | undefined> {
    return RunRecords.read(this.#bus, this.#place.domain, this.#run);
  }

  /** Of this run alone, in its domain. */
  buckets(): Buckets {
    const { domain } = this.#place;
    const own = bucketsOfRun(this.#bus, this.#run);
    return { kv: (bucket, options) => own.kv(bucket, { ...options, domain }) };
  }

  async keep(files: RunFiles): Promise<void> {
    this.#files = await keepFiles(this.buckets(), files, this.#timers, this.#place.tell);
  }

  async place(start: NonNullable<LeadOptions["place"]>): Promise<void> {
    this.#placed = await start(this.#run, this.#scope);
  }

  async write(record: RunRecord): Promise<RunRecords> {
    const { epoch } = this.#lease!;
    this.#records = await RunRecords.open(this.#bus, this.#place.domain, epoch, record);
    return this.#records;
  }

  async fleet(own: Pick<ClusterFleetOptions, "seed" | "token" | "attach">): Promise<ClusterFleet> {
    const { access, domain, tell } = this.#place;
    if (this.#loss) throw this.#loss;
    const lease = this.#lease!;
    this.#roster = await Roster.open(this.#bus, this.#timers, domain);
    await openRegistry(this.#bus, domain);
    this.#fleet = new ClusterFleet({
      ...{ bus: this.#bus, timers: this.#timers, run: this.#run, epoch: lease.epoch },
      leads: () => lease.held(),
      ...own,
      roster: this.#roster,
      version: access.version,
      credentials: access.tls,
      onAgents: (agents) => this.note({ agents }),
      onRefused: (error) => this.#lose(error),
      warn: tell,
    });
    return this.#fleet;
  }

  async muster(wanted: Wanted, options: LeadOptions): Promise<Crew> {
    const { waitMicros, signal, tell } = options;
    const fleet = this.#fleet!;
    // One that was started for this run and has ended is not waited for.
    const failed = new AbortController();
    let fail = (error: Error): void => failed.abort(error);
    this.#placed?.failed.then(
      (error) => fail(error),
      () => {},
    );
    const crew = await this.#roster!.muster(
      wanted,
      (agent) => fleet.reserve(agent),
      (agent) => fleet.release(agent),
      { deadline: waitMicros, signal: AbortSignal.any([signal, failed.signal]), tell },
    ).catch((error: unknown) => {
      throw failed.signal.aborted ? failed.signal.reason : error;
    });
    fail = ({ message }) => tell(message);
    fleet.take(crew, wanted);
    return crew;
  }

  /** Writes it down for whoever leads the run next. */
  note(changes: Partial<RunRecord>): void {
    this.#records?.change(changes).catch((error: unknown) => this.#lose(error as Error));
  }

  led(crew: Crew, fleet: ClusterFleet, records: RunRecords): Led {
    const close = async (): Promise<void> => {
      if (this.#lease?.held() && !this.#left) {
        await records.change({ phase: "over" }).catch(() => {});
        await this.#files?.drop().catch(() => {});
      }
      await this.close();
    };
    // An interrupt ends the run in good order from now on; its agents are taken back after that.
    this.#place.signal.removeEventListener("abort", this.#interrupt);
    return { run: this.#run, crew, fleet, records, lost: this.#lost, close };
  }

  /** Hands the run on, unless it is being ended. */
  leave(): void {
    if (this.#fleet?.stopping) return;
    this.#left = true;
    this.#lose(
      new PangaeaError("LEASE_LOST", `this coordinator leaves run ${this.#run} to another`),
    );
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#place.signal.removeEventListener("abort", this.#interrupt);
    // The run has ended as it did, whatever is left of its agents.
    await this.#placed?.takeBack().catch((error: unknown) => this.#place.tell(inWords(error)));
    this.#files?.leave();
    this.#scope.cancel("the run is over");
    this.#roster?.close();
    await this.#lease?.release().catch(() => {});
    await this.#bus.close();
  }
}
