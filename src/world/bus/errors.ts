/**
 * What can go wrong on a bus. `retryable` says whether the same call may succeed a moment later (nobody answers
 * yet, the server restarts, a new leader is being chosen); everything else needs somebody to change something.
 * No message carries a key, a token or a path of one.
 */
import { type ErrorDetails, InputError, PangaeaError } from "../../core/errors.ts";

export class BusError extends PangaeaError {
  override readonly name: string = "BusError";
  readonly retryable: boolean;

  constructor(
    code: string,
    message: string,
    details: ErrorDetails & { readonly retryable?: boolean } = {},
  ) {
    super(code, message, details);
    this.retryable = details.retryable ?? false;
  }
}

export const isRetryable = (error: unknown): boolean =>
  error instanceof BusError && error.retryable;

const busError =
  (issue: { readonly code: string; readonly retryable: boolean }) =>
  (message: string, details: ErrorDetails = {}): BusError =>
    new BusError(issue.code, message, { ...details, retryable: issue.retryable });

/** No connection could be made within the deadline. */
export const unreachable = (message: string, details: ErrorDetails = {}): BusError =>
  busError({ code: "BUS_UNREACHABLE", retryable: true })(message, {
    fix: "start `nats-server -js` there, or name a server that runs: --nats URL",
    ...details,
  });
/** No answer within the deadline; whether the call took effect is unknown. */
export const timedOut = busError({ code: "BUS_TIMEOUT", retryable: true });
/** Nobody serves the subject. */
export const noResponders = busError({ code: "BUS_NO_RESPONDERS", retryable: true });
/** The server has no store for keys now: it starts, or has no leader. */
export const unavailable = busError({ code: "BUS_UNAVAILABLE", retryable: true });
/** The bucket is not there, and whoever asked does not make it. */
export const noBucket = busError({ code: "BUS_NO_BUCKET", retryable: true });
/** The server does not know this key or certificate, or it has expired. */
export const unauthenticated = busError({ code: "BUS_UNAUTHENTICATED", retryable: false });
/** The server knows who asks, and does not allow it. */
export const forbidden = busError({ code: "BUS_FORBIDDEN", retryable: false });
/** The key has changed since it was read, or exists already. */
export const conflict = busError({ code: "BUS_CONFLICT", retryable: false });
/** The bus was closed. */
export const closed = busError({ code: "BUS_CLOSED", retryable: false });
/** The message is longer than the bus carries. */
export const tooLarge = busError({ code: "BUS_TOO_LARGE", retryable: false });
/** Whoever serves the subject failed to answer. */
export const handlerFailed = busError({ code: "BUS_HANDLER_FAILED", retryable: false });
/** The bucket exists with other settings, or the server ignored one. */
export const bucketDiffers = busError({ code: "BUS_BUCKET_DIFFERS", retryable: false });
/** A write of an earlier holder. */
export const staleEpoch = busError({ code: "STALE_EPOCH", retryable: false });

/** An error as it crosses a bus: code and message only. */
export interface ErrorData {
  readonly code: string;
  readonly message: string;
  readonly retryable: boolean;
}

export const errorToData = (error: unknown): ErrorData =>
  error instanceof PangaeaError
    ? { code: error.code, message: error.message, retryable: isRetryable(error) }
    : {
        code: "BUS_HANDLER_FAILED",
        message: error instanceof Error ? error.message : String(error),
        retryable: false,
      };

export const errorFromData = ({ code, message, retryable }: ErrorData): BusError =>
  new BusError(code, message, { retryable });

export const badName = (what: string, name: string, fix: string): InputError =>
  new InputError([{ code: "BUS_NAME", message: `${JSON.stringify(name)} is no ${what}`, fix }]);
