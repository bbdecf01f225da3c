/**
 * Orders that nobody else can give. The permissions of NATS say who may publish where, but not where an answer or
 * a stored value is delivered to: whoever may watch a bucket can have its content delivered to any subject. So an
 * order carries its run, role, subject, epoch and number, signed with the role's key (Ed25519, by nkeys); whoever
 * obeys checks all of them, and takes each number once.
 */
import { nkeys } from "@nats-io/nats-core";
import { invariant } from "../../core/errors.ts";
import { fromBase64, toBase64 } from "./base64.ts";
import { BusError } from "./errors.ts";
import { EpochGate } from "./fence.ts";
import { decodeFrame, encodeFrame, encodeText } from "./frame.ts";

/** What is signed beside the data. */
interface Claims {
  readonly run: string;
  readonly role: string;
  readonly subject: string;
  readonly epoch: number;
  /** Grows with every order of an epoch. */
  readonly number: number;
}

export interface OrderSource {
  readonly run: string;
  readonly role: string;
  readonly epoch: number;
}

/** The fields in one order, so that both ends sign the same bytes. */
const signedBytes = (claims: Claims, data: Uint8Array): Uint8Array => {
  const { run, role, subject, epoch, number } = claims;
  return encodeFrame([run, role, subject, epoch, number], data);
};

/** Signs orders of one holder of a role's seed. */
export function orderSigner(
  seed: string,
  source: OrderSource,
): (subject: string, data: Uint8Array) => Uint8Array {
  const pair = nkeys.fromSeed(encodeText(seed.trim()));
  let number = 0;
  return (subject, data) => {
    const { run, role, epoch } = source;
    const claims: Claims = { run, role, subject, epoch, number: ++number };
    const signature = toBase64(pair.sign(signedBytes(claims, data)));
    return encodeFrame({ ...claims, signature }, data);
  };
}

/**
 * Checks orders of one role in one run. The answer gives an order's data, or throws BUS_UNSIGNED (no signature of
 * that key, or it is of another run, role, subject or text), BUS_REPLAYED or STALE_EPOCH; then nothing changes.
 */
export function orderCheck(
  publicKey: string,
  expected: { readonly run: string; readonly role: string },
): (subject: string, order: Uint8Array) => Uint8Array {
  const pair = nkeys.fromPublic(publicKey);
  const gate = new EpochGate();
  let last = { epoch: 0, number: 0 };
  return (subject, order) => {
    const decoded = decodeFrame<Partial<Claims> & { readonly signature?: unknown }>(order);
    const { epoch, number, signature } = decoded?.header ?? {};
    const whole = Number.isSafeInteger(epoch) && Number.isSafeInteger(number);
    if (!decoded || !whole || typeof signature !== "string") throw unsigned(subject);
    const claims = { ...expected, subject, epoch: epoch as number, number: number as number };
    const given = fromBase64(signature);
    if (given?.length !== 64 || !pair.verify(signedBytes(claims, decoded.data), given)) {
      throw unsigned(subject);
    }
    gate.accept(claims.epoch);
    if (claims.epoch === last.epoch && claims.number <= last.number) {
      throw new BusError("BUS_REPLAYED", `an order on ${subject} came again, or too late`);
    }
    last = { epoch: claims.epoch, number: claims.number };
    return decoded.data.slice();
  };
}

/** The epoch of an order that was found right. */
export function epochOf(order: Uint8Array): number {
  const epoch = decodeFrame<Partial<Claims>>(order)?.header.epoch;
  invariant(epoch !== undefined, "an order is checked before it is asked for its epoch");
  return epoch;
}

const unsigned = (subject: string): BusError =>
  new BusError("BUS_UNSIGNED", `an order on ${subject} without a valid signature for it`);
