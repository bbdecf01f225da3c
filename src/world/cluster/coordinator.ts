/**
 * Who leads a run: the holder of its lease. The lease's epoch stands in every order, so that agents refuse those of
 * an earlier leader, and in the run's record, which only the latest leader can write.
 */
import { randomBytes } from "node:crypto";
import { Scope } from "../../core/scope.ts";
import { type Micros, SECOND } from "../../core/units.ts";
import type { Bus } from "../bus/contract.ts";
import { acquireLease, type Lease } from "../bus/lease.ts";
import { realTimers, type Timers } from "../bus/timers.ts";
import { type ClusterAccess, joinBus, signingKey } from "./access.ts";
import { ClusterFleet } from "./fleet.ts";
import { type RunRecord, RunRecords } from "./record.ts";
import { type Crew, Roster, type Wanted } from "./roster.ts";
import { asWord, LEASES } from "./subjects.ts";

export interface LeadOptions {
  readonly nats: readonly string[];
  readonly domain: string | undefined;
  readonly access: ClusterAccess;
  /** Of the experiment. */
  readonly title: string;
  readonly wanted: Omit<Wanted, "version">;
  /** How long to wait for agents. */
  readonly waitMicros: Micros;
  readonly signal: AbortSignal;
  /** Tells whom it waits for. */
  readonly tell: (text: string) => void;
  /** The run cannot be led from here any more: another leads it, or the bus refuses. */
  readonly onLost: (error: Error) => void;
}

/** A run that this process leads. */
export interface Led {
  readonly run: string;
  readonly crew: Crew;
  readonly fleet: ClusterFleet;
  readonly record: RunRecords;
  close(): Promise<void>;
}

/** Without a renewal for so long, another may lead the run. */
const LEASE: Micros = 6 * SECOND;

const secret = (bytes: number): string => randomBytes(bytes).toString("hex");

/** Leads a new run: takes its lease, and waits until the agents that it needs are reserved. */
export async function leadRun(options: LeadOptions, spec: unknown): Promise<Led> {
  const { access, title, wanted, domain, onLost } = options;
  const run = `${asWord(title).toLowerCase().slice(0, 40)}-${secret(4)}`;
  const timers = realTimers();
  const bus = await joinBus(options.nats, run, access);
  const leading = new Leading(bus, timers, domain);
  try {
    const lease = await leading.take(run, onLost);
    const { seed } = signingKey(access);
    const token = secret(16);
    const fleet = new ClusterFleet({
      ...{ bus, timers, run, epoch: lease.epoch, seed, token, version: access.version },
      roster: await leading.roster(),
      credentials: access.tls,
      warn: options.tell,
    });
    const crew = await leading.muster(fleet, { ...wanted, version: access.version }, options);
    const record: RunRecord = {
      ...{ run, spec, token, hostOf: crew.hostOf },
      phase: "starting",
      agents: crew.agents,
      seed: access.seed === undefined ? seed : undefined,
      goAtHost: undefined,
    };
    const records = await RunRecords.open(bus, domain, lease.epoch, record);
    return { run, crew, fleet, record: records, close: () => leading.close() };
  } catch (error) {
    await leading.close();
    throw error;
  }
}

/** What must be given back in the end, in the order in which it was taken. */
class Leading {
  readonly #bus: Bus;
  readonly #timers: Timers;
  readonly #domain: string | undefined;
  readonly #scope = new Scope();
  #roster: Roster | undefined;
  #lease: Lease | undefined;

  constructor(bus: Bus, timers: Timers, domain: string | undefined) {
    this.#bus = bus;
    this.#timers = timers;
    this.#domain = domain;
  }

  async take(run: string, onLost: (error: Error) => void): Promise<Lease> {
    const kv = await this.#bus.kv(LEASES, { domain: this.#domain });
    const holder = `${run} ${secret(4)}`;
    const options = { timers: this.#timers, holder, durationMicros: LEASE };
    this.#lease = await acquireLease(kv, run, options, this.#scope);
    this.#lease.ended.then(
      (error) => {
        if (error) onLost(error);
      },
      (error: unknown) => onLost(error as Error),
    );
    return this.#lease;
  }

  async roster(): Promise<Roster> {
    this.#roster = await Roster.open(this.#bus, this.#timers, this.#domain);
    return this.#roster;
  }

  async muster(fleet: ClusterFleet, wanted: Wanted, options: LeadOptions): Promise<Crew> {
    const roster = this.#roster ?? (await this.roster());
    const crew = await roster.muster(
      wanted,
      (agent) => fleet.reserve(agent),
      (agent) => fleet.release(agent),
      { deadline: options.waitMicros, signal: options.signal, tell: options.tell },
    );
    fleet.take(crew, wanted);
    return crew;
  }

  async close(): Promise<void> {
    this.#scope.cancel("the run is over");
    this.#roster?.close();
    await this.#lease?.release().catch(() => {});
    await this.#bus.close();
  }
}
