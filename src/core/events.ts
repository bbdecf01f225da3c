/**
 * A run is an event log. Everything that a terminal, dashboard or report shows is a fold of these events;
 * none of them knows a protocol by name, so protocols speak through `metric`.
 */
import type { NodeId, SiteId } from "./ids.ts";
import type { BitsPerSecond, Bytes, Micros } from "./units.ts";

/** Metrics of a model on data. Higher accuracy is better; lower rmse and loss are better. */
export interface Metrics {
  readonly examples: number;
  /** Mean loss an example. */
  readonly loss: number;
  /** Share of examples whose class is right, 0..1. */
  readonly accuracy?: number | undefined;
  /** Root of the mean squared error. */
  readonly rmse?: number | undefined;
}

/** What every event carries. `t` is the world's time since the start of the run. */
interface At {
  readonly t: Micros;
}

/** A worker finished a clock. Times are those of this clock only. */
export interface ClockEvent extends At {
  readonly type: "clock";
  readonly node: NodeId;
  readonly site: SiteId;
  readonly clock: number;
  readonly loss: number;
  readonly examples: number;
  readonly computeMicros: Micros;
  /** Time that reads waited (transfer included), and the sites that were waited for last. */
  readonly waitMicros: Micros;
  /** The part of it in which the request or the values were on a wire, not held for somebody's update. */
  readonly wireMicros?: Micros | undefined;
  readonly waitedFor?: readonly string[] | undefined;
}

/**
 * What a message carries. `records` is training data: it leaves a site only where the site's policy says
 * `may-move`; everything else may cross borders.
 */
export type Cargo = "control" | "metadata" | "update" | "parameters" | "records";

/** Bytes and messages on one ordered pair of sites since the last traffic event of that pair and kind. */
export interface TrafficEvent extends At {
  readonly type: "traffic";
  readonly from: SiteId;
  readonly to: SiteId;
  readonly kind: string;
  /** What the kind declares to carry; absent in logs of versions that did not say it. */
  readonly carries?: Cargo | undefined;
  readonly bytes: Bytes;
  readonly messages: number;
  /** Messages of this kind that the policy did not let go; they are not among `messages`. */
  readonly refused?: number | undefined;
  /** Whether the pair is joined by a wide-area link, and what these bytes cost there. */
  readonly wan: boolean;
  readonly dollars: number;
}

/** What was measured of an ordered pair of sites until now, beside what the run's description says of it. */
export interface LinkEvent extends At {
  readonly type: "link";
  readonly from: SiteId;
  readonly to: SiteId;
  /** Bulk that gets there when there is enough of it; absent where there never was. */
  readonly goodput?: BitsPerSecond | undefined;
  /** The shortest of late, of control; absent where none was measured. */
  readonly roundTripMicros?: Micros | undefined;
  /** The link's own figures, but no more than one node's link takes. */
  readonly declared: { readonly bandwidth: BitsPerSecond; readonly roundTripMicros: Micros };
}

/** The model(s) judged on held-out data. `clock` is the clock of the judged copies. */
export interface EvaluationEvent extends At {
  readonly type: "evaluation";
  readonly clock: number;
  readonly metrics: Metrics;
  readonly sites?: Readonly<Record<string, Metrics>> | undefined;
  /** True for the last judgement, where every copy sees all test data. */
  readonly final?: boolean | undefined;
  /** Relative change of the model since the window's start: the `change` stop rule. */
  readonly change?: number | undefined;
}

/** A named number of a protocol: "gaia.significantFraction", "federated.round". */
export interface MetricEvent extends At {
  readonly type: "metric";
  readonly name: string;
  readonly value: number;
  readonly site?: SiteId | undefined;
}

/** A batch of a site's stream, predicted before it was learned. */
export interface StreamEvent extends At {
  readonly type: "stream";
  readonly site: SiteId;
  readonly batch: number;
  readonly examples: number;
  readonly errors: number;
  /** Examples by class. */
  readonly classCounts?: readonly number[] | undefined;
  /** Of the site's model after the batch, and what learning it cost in operations. */
  readonly modelBytes: Bytes;
  readonly flops: number;
}

/** Something that happened at a batch of a site's stream, drawn over its error. */
export interface MarkEvent extends At {
  readonly type: "mark";
  readonly site: SiteId;
  readonly batch: number;
  /** `shift`: the stream truly changed. `drift`: the site noticed. The others: what became of its asking. */
  readonly mark: "shift" | "drift" | "request" | "accept" | "reject";
  readonly text?: string | undefined;
  /** The other site, where there is one. */
  readonly peer?: SiteId | undefined;
}

export interface FaultEvent extends At {
  readonly type: "fault";
  readonly fault: string;
  readonly target: string;
}

/** Something the user should read. */
export interface NoteEvent extends At {
  readonly type: "note";
  readonly text: string;
}

export interface RunStarted extends At {
  readonly type: "run";
  readonly name: string;
  /** The resolved specification, plain data. */
  readonly spec: unknown;
  readonly sites: readonly {
    readonly id: SiteId;
    readonly name: string;
    readonly latitude?: number | undefined;
    readonly longitude?: number | undefined;
  }[];
  readonly parameters: number;
  readonly workers: number;
  /** Another coordinator led the run until then: what came before is in its log, and not counted in this one. */
  readonly since?: Micros | undefined;
}

export interface RunEnded extends At {
  readonly type: "end";
  readonly reason:
    | "target"
    | "change"
    | "maxClocks"
    | "maxSeconds"
    | "finished"
    | "interrupted"
    | "failed";
  readonly message?: string | undefined;
}

export type RunEvent =
  | RunStarted
  | ClockEvent
  | TrafficEvent
  | LinkEvent
  | EvaluationEvent
  | MetricEvent
  | StreamEvent
  | MarkEvent
  | FaultEvent
  | NoteEvent
  | RunEnded;
