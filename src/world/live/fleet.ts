/** Where the hosts of a run come from, as their supervisor sees it: this machine's threads or processes, or a cluster's agents. */
import type { Micros } from "../../core/units.ts";
import type { FromHost, ToHost } from "./protocol.ts";

export interface HostEnd {
  /** "signal SIGKILL", "exit code 1", or the message of what was thrown. */
  readonly how: string;
  readonly lastLines: readonly string[];
}

/** The supervisor's hand on a host. */
export interface RunningHost {
  readonly name: string;
  /** The process it runs in, where it has one of its own. */
  readonly pid?: number | undefined;
  /** To a host that has ended, nothing is said. */
  post(message: ToHost): void;
  /** Settles when the thread or process is no more. */
  readonly ended: Promise<HostEnd>;
  kill(): void;
  /** Finds out soon whether it lives: others cannot reach it. */
  check?(): void;
  /** Its machine's clock as this one sees it; absent: they are the same. */
  readonly clock?: (() => ClockReading) | undefined;
}

export interface ClockReading {
  /** What is to be added to an instant of this machine's clock. */
  readonly offsetMicros: Micros;
  /** Of the request that found it out: the offset is right to half of it. */
  readonly roundTripMicros: Micros;
}

export interface Fleet {
  /** Gets ready to start hosts; called once, before the first. */
  open(): Promise<void>;
  /** Starts a host of the run. `task` is for the run's part of it. */
  start(host: number, task: unknown, onMessage: (message: FromHost) => void): RunningHost;
  /** Calls `listener` when a host can be started again in the place of one that was lost. */
  onReturn?(listener: (host: number) => void): void;
  /** After the last host has ended: takes away what was made for the run. */
  close(): Promise<void>;
}
