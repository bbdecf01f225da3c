/** Errors of the NATS client and of JetStream's API, said as errors of the bus. */
import {
  AuthorizationError,
  ClosedConnectionError,
  DrainingConnectionError,
  InvalidArgumentError,
  NoRespondersError,
  PermissionViolationError,
  RequestError,
  TimeoutError,
  UserAuthenticationExpiredError,
} from "@nats-io/nats-core";
import { PangaeaError } from "../../core/errors.ts";
import {
  BusError,
  bucketDiffers,
  closed,
  conflict,
  forbidden,
  noResponders,
  timedOut,
  tooLarge,
  unauthenticated,
  unavailable,
  unreachable,
} from "./errors.ts";

/** @param what was tried: "asking add" */
export function translate(error: unknown, what: string): PangaeaError {
  if (error instanceof PangaeaError) return error;
  const cause = error instanceof RequestError && error.cause ? error.cause : error;
  if (cause instanceof NoRespondersError) return noResponders(`${what}: nobody serves it`);
  if (cause instanceof TimeoutError) return timedOut(`${what}: no answer in time`);
  if (cause instanceof PermissionViolationError) {
    return forbidden(`${what}: ${cause.operation} of ${cause.subject} is not allowed`, {
      fix: "this needs another role's key",
    });
  }
  if (cause instanceof AuthorizationError || cause instanceof UserAuthenticationExpiredError) {
    return unauthenticated(`${what}: ${cause.message}`);
  }
  if (cause instanceof InvalidArgumentError && /max_payload/.test(cause.message)) {
    return tooLarge(`${what}: more than this server carries`);
  }
  const over = cause instanceof ClosedConnectionError || cause instanceof DrainingConnectionError;
  if (over || (cause instanceof RequestError && /closed/.test(cause.message))) {
    return closed(`${what}: the connection is closed`);
  }
  if (isCertificateError(cause)) return unauthenticated(`${what}: ${cause.message}`, { cause });
  const message = cause instanceof Error ? cause.message : String(cause);
  return unreachable(`${what}: ${message}`, { cause });
}

/** Refused in the TLS handshake, by either side. */
const isCertificateError = (error: unknown): error is Error =>
  error instanceof Error &&
  /certificate|ERR_TLS|ERR_SSL|SELF_SIGNED|unknown ca|bad certificate/i.test(
    `${(error as { code?: string }).code ?? ""} ${error.message}`,
  );

export interface ApiError {
  readonly code: number;
  readonly err_code?: number;
  readonly description?: string;
}

/** Of JetStream's API (ADR-1, ADR-7 of nats-io/nats-architecture-and-design). */
export const API = {
  noMessage: 10037,
  notEnabledForAccount: 10039,
  streamNotFound: 10059,
  streamNameInUse: 10058,
  wrongLastSequence: 10071,
  wrongLastSequenceConstant: 10164,
} as const;

export function translateApi(error: ApiError, what: string): BusError {
  const said = `${what}: ${error.description ?? `error ${error.code}`}`;
  switch (error.err_code) {
    case API.wrongLastSequence:
    case API.wrongLastSequenceConstant:
      return conflict(said);
    case API.notEnabledForAccount:
      return unavailable(said);
    case API.streamNameInUse:
      return bucketDiffers(said);
    default:
      return error.code === 503
        ? unavailable(said)
        : new BusError("BUS_REFUSED", said, { fix: "the server's log says more" });
  }
}
