/** Orders are obeyed once, and only those that the right key signed for this run, role, subject and text. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createRoleKey } from "../../src/world/bus/accounts.ts";
import { decodeOwnFrame, encodeFrame } from "../../src/world/bus/frame.ts";
import { orderCheck, orderSigner } from "../../src/world/bus/signed.ts";
import { bytes, codeOf, text } from "./bus-contract.ts";

const key = createRoleKey("coordinator");
const other = createRoleKey("node");
const expected = { run: "r1", role: "coordinator" };
const source = { ...expected, epoch: 2 };
const subject = "pangaea.down.start";

const fresh = () => orderCheck(key.publicKey, expected);
const order = (): Uint8Array => orderSigner(key.seed, source)(subject, bytes("go"));
const refusal = (run: () => unknown): Promise<string> => codeOf((async () => run())());

test("a signed order gives its data", () => {
  const [sign, check] = [orderSigner(key.seed, source), fresh()];
  for (const word of ["one", "", "three"]) {
    expect(text(check(subject, sign(subject, bytes(word))))).toBe(word);
  }
});

describe("refused, and the next right one is obeyed", () => {
  const sign = (more: object, seed = key.seed) =>
    orderSigner(seed, { ...source, ...more })(subject, bytes("go"));
  test.each<[what: string, order: () => Uint8Array, code: string]>([
    ["no frame", () => bytes("go"), "BUS_UNSIGNED"],
    [
      "no signature",
      () => encodeFrame({ ...source, subject, number: 1 }, bytes("go")),
      "BUS_UNSIGNED",
    ],
    ["another key", () => sign({}, other.seed), "BUS_UNSIGNED"],
    ["another run", () => sign({ run: "r2" }), "BUS_UNSIGNED"],
    ["another role", () => sign({ role: "node" }), "BUS_UNSIGNED"],
    [
      "another subject",
      () => orderSigner(key.seed, source)("pangaea.down.stop", bytes("go")),
      "BUS_UNSIGNED",
    ],
    [
      "another epoch than was signed",
      () => {
        const { header, data } = decodeOwnFrame<object>(order());
        return encodeFrame({ ...header, epoch: 9 }, data);
      },
      "BUS_UNSIGNED",
    ],
  ])("%s", async (_, make, code) => {
    const check = fresh();
    expect(await refusal(() => check(subject, make()))).toBe(code);
    expect(text(check(subject, order()))).toBe("go");
  });

  test("again, late, or of an earlier epoch", async () => {
    const [signer, check] = [orderSigner(key.seed, source), fresh()];
    const [first, second] = [signer(subject, bytes("1")), signer(subject, bytes("2"))];
    check(subject, second);
    expect(await refusal(() => check(subject, second))).toBe("BUS_REPLAYED");
    expect(await refusal(() => check(subject, first))).toBe("BUS_REPLAYED");
    const later = orderSigner(key.seed, { ...source, epoch: 3 });
    expect(text(check(subject, later(subject, bytes("3"))))).toBe("3");
    expect(await refusal(() => check(subject, signer(subject, bytes("4"))))).toBe("STALE_EPOCH");
  });

  test("any bit changed", async () => {
    const whole = order();
    const flips = fc.tuple(fc.nat(whole.length - 1), fc.nat(7));
    const property = fc.asyncProperty(flips, async ([at, bit]) => {
      const changed = whole.slice();
      changed[at]! ^= 1 << bit;
      const check = fresh();
      const code = await refusal(() => {
        // A bit of base64's padding, or of a field that the receiver knows by itself, may change nothing.
        expect(text(check(subject, changed))).toBe("go");
      });
      expect(["", "BUS_UNSIGNED"]).toContain(code);
    });
    await fc.assert(property, { numRuns: 100, seed: 1 });
  });
});
