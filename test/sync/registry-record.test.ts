/** A record as bytes: what goes in comes out, what is none is refused, and what it weighs. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { PangaeaError } from "../../src/core/errors.ts";
import { type NodeId, siteId } from "../../src/core/ids.ts";
import type { SiteRecord } from "../../src/sync/between/cartel/registry/contract.ts";
import {
  decodeRecord,
  encodeRecord,
  overallError,
} from "../../src/sync/between/cartel/registry/record.ts";
import { peerId, recordOf } from "./registry-fixtures.ts";

const nodes = new Set([peerId(1), peerId(2), "são paulo/peer-0" as NodeId]);

const record = fc
  .record({
    node: fc.constantFrom(...nodes),
    sequence: fc.nat(2 ** 31),
    modelKind: fc.constantFrom("forest", "svm", "graph"),
    modelVersion: fc.nat(),
    modelBytes: fc.nat(),
    batches: fc.nat(),
    counts: fc.array(fc.oneof(fc.constant(0), fc.nat(100_000)), { minLength: 2, maxLength: 40 }),
    step: fc.nat(254),
    trainFlops: fc.nat().map(Math.fround),
    sketch: fc.option(
      fc.array(fc.float({ noNaN: true, noDefaultInfinity: true }), { minLength: 1, maxLength: 8 }),
      { nil: undefined },
    ),
  })
  .map(({ counts, step, sketch, ...rest }): SiteRecord => {
    const classCounts = Uint32Array.from(counts);
    const classErrors = Float32Array.from(counts, (n, c) =>
      n === 0 ? Number.NaN : ((step + 7 * c) % 255) / 254,
    );
    return {
      ...rest,
      site: siteId(rest.node.slice(0, rest.node.lastIndexOf("/"))),
      classCounts,
      classErrors,
      error: overallError(classCounts, classErrors),
      ...(sketch ? { sketch: Float32Array.from(sketch) } : {}),
    };
  });

const read = (bytes: Uint8Array, classes: number, more = {}): SiteRecord =>
  decodeRecord(bytes, { classes, nodes, now: 2 ** 31, ...more });

const refusal = (work: () => unknown): string | undefined => {
  try {
    work();
    return undefined;
  } catch (error) {
    return error instanceof PangaeaError && error.code === "RECORD_REFUSED" ? error.message : "?";
  }
};

describe("a record", () => {
  test("comes back as it was", () => {
    fc.assert(
      fc.property(record, (one) => {
        expect(read(encodeRecord(one), one.classCounts.length)).toEqual(one);
      }),
    );
  });

  test("comes back from the middle of a larger buffer, as sockets hand it out", () => {
    const pool = Buffer.alloc(200, 7);
    const bytes = encodeRecord(recordOf(1, 5, [1]));
    pool.set(bytes, 3);
    expect(read(pool.subarray(3, 3 + bytes.length), 10)).toEqual(recordOf(1, 5, [1]));
  });

  test("cut short, longer or of another shape is refused", () => {
    fc.assert(
      fc.property(record, fc.nat(), (one, cut) => {
        const bytes = encodeRecord(one);
        const classes = one.classCounts.length;
        expect(refusal(() => read(bytes.slice(0, cut % bytes.length), classes))).toBeTypeOf(
          "string",
        );
        expect(refusal(() => read(Uint8Array.from([...bytes, 0]), classes))).toBeTypeOf("string");
        expect(refusal(() => read(bytes, classes + 1))).toBeTypeOf("string");
      }),
    );
  });

  test("changed on its way is refused, or is still a record within its ranges", () => {
    fc.assert(
      fc.property(record, fc.nat(), fc.integer({ min: 1, max: 255 }), (one, place, change) => {
        const bytes = encodeRecord(one);
        const at = place % bytes.length;
        bytes[at] = bytes[at]! ^ change;
        let got: SiteRecord | undefined;
        const said = refusal(() => {
          got = read(bytes, one.classCounts.length);
        });
        if (!got) expect(said).toMatch(/^a record was refused/);
        else {
          expect(nodes.has(got.node)).toBe(true);
          expect(got.error >= 0 && got.error <= 1).toBe(true);
          for (const [c, error] of got.classErrors.entries())
            expect(got.classCounts[c] === 0 ? Number.isNaN(error) : error >= 0 && error <= 1).toBe(
              true,
            );
        }
      }),
      { numRuns: 500 },
    );
  });

  test("is refused from who is not its node, of nobody of the run, and from the future", () => {
    const bytes = encodeRecord(recordOf(1, 5, [1]));
    expect(refusal(() => read(bytes, 10, { from: peerId(2) }))).toMatch(/speaks for/);
    expect(refusal(() => read(bytes, 10, { nodes: new Set([peerId(2)]) }))).toMatch(/no node/);
    const early = encodeRecord(recordOf(1, 2 ** 40, [1]));
    expect(refusal(() => read(early, 10, { now: 5 }))).toMatch(/future/);
    expect(refusal(() => read(bytes, 10))).toBeUndefined();
  });

  test("with a NaN for a number is refused", () => {
    const sketch = Float32Array.of(1, Number.NaN);
    expect(refusal(() => read(encodeRecord({ ...recordOf(1, 5, [1]), sketch }), 10))).toMatch(
      /none/,
    );
    const trainFlops = Number.NaN;
    expect(refusal(() => read(encodeRecord({ ...recordOf(1, 5, [1]), trainFlops }), 10))).toMatch(
      /none/,
    );
  });

  test.each([
    [10, 75],
    [100, 255],
  ])("of %i classes takes at most %i bytes", (classes, most) => {
    const classCounts = new Uint32Array(classes).fill(1600 / classes + 100);
    const full: SiteRecord = {
      ...recordOf(1, 3_600_000_000, [1]),
      site: siteId("singapore"),
      node: "singapore/peer-0" as NodeId,
      modelKind: "forest",
      modelVersion: 2000,
      modelBytes: 200_000,
      batches: 2000,
      trainFlops: 1e12,
      classCounts,
      classErrors: new Float32Array(classes).fill(0.1),
    };
    const bytes = encodeRecord(full).length;
    expect(bytes).toBeLessThanOrEqual(most);
    expect(bytes).toBeGreaterThan(0.9 * most);
  });
});
