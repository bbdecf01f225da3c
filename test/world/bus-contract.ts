/**
 * What every bus promises. A backend passes by handing in how clients connect, and how a little time passes:
 * virtual where it is in memory, real where a server keeps the time.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { PangaeaError } from "../../src/core/errors.ts";
import { Scope } from "../../src/core/scope.ts";
import { SECOND } from "../../src/core/units.ts";
import { openBlobs } from "../../src/world/bus/blobs.ts";
import { type Bus, type Change, type KeyValue, MAX_MESSAGE } from "../../src/world/bus/contract.ts";
import { BusError, conflict } from "../../src/world/bus/errors.ts";

export interface BusUnderTest {
  /** A new client. */
  connect(id: string): Promise<Bus>;
  /** Lets some 50 ms pass. */
  pass(): Promise<void>;
  stop(): Promise<void>;
}

export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
export const text = (data: Uint8Array | undefined): string | undefined =>
  data && new TextDecoder().decode(data);

/** Rejects with a bus error of the code. */
export async function refused(promise: Promise<unknown>): Promise<BusError> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(BusError);
  return error as BusError;
}

export async function codeOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => "",
    (error: unknown) => (error instanceof PangaeaError ? error.code : String(error)),
  );
}

/** Lets time pass until the condition holds; the test's own limit ends it otherwise. */
export async function until(
  bus: Pick<BusUnderTest, "pass">,
  holds: () => boolean | Promise<boolean>,
): Promise<void> {
  while (!(await holds())) await bus.pass();
}

const deadline = 5 * SECOND;

export function describeBus(name: string, start: () => Promise<BusUnderTest>): void {
  describe(`bus: ${name}`, () => {
    let backend: BusUnderTest;
    let left: Bus;
    let right: Bus;
    let buckets = 0;
    const bucket = (): string => `contract-${buckets++}`;

    beforeAll(async () => {
      backend = await start();
      left = await backend.connect("left");
      right = await backend.connect("right");
    });
    afterAll(async () => {
      await left?.close();
      await right?.close();
      await backend?.stop();
    });

    describe("messages", () => {
      test("reach every subscriber in order, by subject or below it", async () => {
        const exact: string[] = [];
        const below: string[] = [];
        await right.subscribe("news.a", (data) => exact.push(text(data) ?? ""));
        await right.subscribe("news", (data, subject) => below.push(`${subject} ${text(data)}`), {
          below: true,
        });
        for (const word of ["one", "two", "three"]) left.publish("news.a", bytes(word));
        left.publish("news.b.c", bytes("four"));
        left.publish("news", bytes("not below"));
        left.publish("newspaper.a", bytes("not below"));
        left.publish("news.z", bytes("end"));
        await until(backend, () => below.at(-1) === "news.z end");
        expect(exact).toEqual(["one", "two", "three"]);
        expect(below).toEqual([
          ...["news.a one", "news.a two", "news.a three"],
          ...["news.b.c four", "news.z end"],
        ]);
      });

      test("are no longer heard once the subscription is closed", async () => {
        const heard: string[] = [];
        const closing = await right.subscribe("close.me", () => heard.push("closed one"));
        await right.subscribe("close.me", (data) => heard.push(text(data) ?? ""));
        closing.close();
        left.publish("close.me", bytes("last"));
        await until(backend, () => heard.includes("last"));
        expect(heard).toEqual(["last"]);
      });

      test("are the bytes of the moment of sending", async () => {
        const heard: string[] = [];
        await right.subscribe("copy", (data) => heard.push(text(data) ?? ""));
        const data = bytes("before");
        left.publish("copy", data);
        data.fill(120);
        await until(backend, () => heard.length > 0);
        expect(heard).toEqual(["before"]);
      });

      test("of more than a megabyte are refused, whatever carries them", async () => {
        const long = new Uint8Array(MAX_MESSAGE + 1);
        expect(() => left.publish("long", long)).toThrow(PangaeaError);
        expect(await codeOf(left.request("long", long, { deadline }))).toBe("BUS_TOO_LARGE");
        const kv = await left.kv(bucket());
        expect(await codeOf(kv.put("long", long))).toBe("BUS_TOO_LARGE");
        await right.serve("long.answer", () => long);
        const asked = left.request("long.answer", bytes(""), { deadline });
        expect(await codeOf(asked)).toBe("BUS_TOO_LARGE");
        const most = new Uint8Array(MAX_MESSAGE).fill(7);
        await kv.put("most", most);
        const read = await (await right.kv(`contract-${buckets - 1}`)).get("most");
        expect(Buffer.compare(read?.value ?? bytes(""), most)).toBe(0);
        await right.serve("most.answer", (data) => data);
        const answer = await left.request("most.answer", most, { deadline });
        expect(Buffer.compare(answer, most)).toBe(0);
      });
    });

    describe("requests", () => {
      test("are answered by one who serves", async () => {
        await right.serve("add", (data, subject) => bytes(`${subject} ${text(data)}!`));
        expect(text(await left.request("add", bytes("hello"), { deadline }))).toBe("add hello!");
        const many = Array.from({ length: 50 }, (_, i) =>
          left.request("add", bytes(`${i}`), { deadline }).then(text),
        );
        expect(await Promise.all(many)).toEqual(many.map((_, i) => `add ${i}!`));
      });

      test("one of several servers answers each", async () => {
        const served = [0, 0];
        await left.serve("shared", () => bytes(`${served[0]!++}`));
        await right.serve("shared", () => bytes(`${served[1]!++}`));
        for (let i = 0; i < 20; i++) await left.request("shared", bytes(""), { deadline });
        expect(served[0]! + served[1]!).toBe(20);
      });

      test("to nobody fail at once, and may be tried again", async () => {
        const error = await refused(left.request("nobody", bytes("x"), { deadline: 60 * SECOND }));
        expect(error.code).toBe("BUS_NO_RESPONDERS");
        expect(error.retryable).toBe(true);
        const served = await right.serve("nobody", () => bytes("now"));
        expect(text(await left.request("nobody", bytes("x"), { deadline }))).toBe("now");
        served.close();
        await right.request("nobody", bytes("x"), { deadline }).catch(() => {});
        expect(await codeOf(right.request("nobody", bytes("x"), { deadline }))).toBe(
          "BUS_NO_RESPONDERS",
        );
      });

      test("that nobody answers in time end at their deadline", async () => {
        await right.serve("silence", () => new Promise<Uint8Array>(() => {}));
        const asked = refused(left.request("silence", bytes("x"), { deadline: SECOND / 10 }));
        let error: BusError | undefined;
        asked.then((reason) => {
          error = reason;
        }, expect.fail);
        await until(backend, () => error !== undefined);
        expect([error?.code, error?.retryable]).toEqual(["BUS_TIMEOUT", true]);
      });

      test("carry back what the handler threw: codes of ours, else BUS_HANDLER_FAILED", async () => {
        await right.serve("fails", async (data) => {
          throw text(data) === "typed" ? conflict("not now") : new Error("a bug");
        });
        const typed = await refused(left.request("fails", bytes("typed"), { deadline }));
        expect([typed.code, typed.message]).toEqual(["BUS_CONFLICT", "not now"]);
        const bug = await refused(left.request("fails", bytes(""), { deadline }));
        expect([bug.code, bug.message]).toEqual(["BUS_HANDLER_FAILED", "a bug"]);
      });

      test("are given up with their scope", async () => {
        await right.serve("stuck", () => new Promise<Uint8Array>(() => {}));
        const scope = new Scope();
        const asked = codeOf(left.request("stuck", bytes("x"), { deadline: 60 * SECOND, scope }));
        scope.cancel("enough");
        expect(await asked).toBe("CANCELLED");
      });
    });

    describe("names", () => {
      test.each(["", "a b", "a.*", ">", "a..b", ".a", "a.", "a\n", "ü", "x".repeat(251)])(
        "%j is refused everywhere",
        async (bad) => {
          const kv = await left.kv(bucket());
          const none = (): void => {};
          expect(() => left.publish(bad, bytes(""))).toThrow(/is no subject/);
          const attempts = [
            ...[left.subscribe(bad, none), left.serve(bad, () => bytes(""))],
            ...[left.request(bad, bytes(""), { deadline }), left.kv(bad)],
            ...[left.kv("ok", { domain: bad }), kv.get(bad), kv.put(bad, bytes(""))],
            ...[kv.create(bad, bytes("")), kv.update(bad, bytes(""), 1), kv.delete(bad)],
            ...[kv.watch({ key: bad }, none), kv.keys({ below: bad })],
          ];
          const codes = await Promise.all(attempts.map(codeOf));
          expect(codes).toEqual(attempts.map(() => "BUS_NAME"));
        },
      );
    });

    describe("buckets", () => {
      test("keep the last value of a key, with a growing revision", async () => {
        const name = bucket();
        const [mine, yours] = [await left.kv(name), await right.kv(name)];
        expect(await mine.get("virginia/worker-0")).toBeUndefined();
        expect(await mine.revision()).toBe(0);
        const first = await mine.put("virginia/worker-0", bytes("a"));
        const second = await yours.put("virginia/worker-0", bytes("b"));
        expect(second).toBeGreaterThan(first);
        const entry = await mine.get("virginia/worker-0");
        expect([entry?.key, text(entry?.value), entry?.revision]).toEqual([
          ...["virginia/worker-0", "b", second],
        ]);
        expect(await yours.revision()).toBe(second);
        await mine.put("other.a", bytes(""));
        await mine.put("other.b.c", bytes(""));
        expect(await yours.keys()).toEqual(["other.a", "other.b.c", "virginia/worker-0"]);
        expect(await yours.keys({ below: "other" })).toEqual(["other.a", "other.b.c"]);
        expect(await yours.keys({ key: "other.a" })).toEqual(["other.a"]);
        await yours.delete("other.a");
        await yours.delete("never.was");
        expect(await mine.get("other.a")).toBeUndefined();
        expect(await mine.keys({ below: "other" })).toEqual(["other.b.c"]);
        expect((await mine.get("other.b.c"))?.value.length).toBe(0);
      });

      test("create, update and delete compare and set", async () => {
        const kv = await left.kv(bucket());
        const first = await kv.create("key", bytes("a"));
        expect(await codeOf(kv.create("key", bytes("b")))).toBe("BUS_CONFLICT");
        const second = await kv.update("key", bytes("c"), first);
        expect(await codeOf(kv.update("key", bytes("d"), first))).toBe("BUS_CONFLICT");
        expect(await codeOf(kv.update("absent", bytes("d"), first))).toBe("BUS_CONFLICT");
        expect(await codeOf(kv.delete("key", first))).toBe("BUS_CONFLICT");
        expect(text((await kv.get("key"))?.value)).toBe("c");
        await kv.delete("key", second);
        expect(await kv.get("key")).toBeUndefined();
        await kv.create("key", bytes("again"));
        expect(text((await kv.get("key"))?.value)).toBe("again");
      });

      test("of many who update at once, each round has one winner", async () => {
        const name = bucket();
        const [mine, yours] = [await left.kv(name), await right.kv(name)];
        const rivals = [mine, yours, mine, yours, mine, yours];
        const created = await Promise.all(rivals.map((kv) => codeOf(kv.create("n", bytes("0")))));
        expect(created.filter((code) => code === "")).toHaveLength(1);
        const increment = async (kv: typeof mine): Promise<void> => {
          for (;;) {
            const entry = (await kv.get("n"))!;
            const next = bytes(`${Number(text(entry.value)) + 1}`);
            const code = await codeOf(kv.update("n", next, entry.revision));
            if (code === "") return;
            expect(code).toBe("BUS_CONFLICT");
          }
        };
        await Promise.all(rivals.map(increment));
        expect(text((await mine.get("n"))?.value)).toBe("6");
      });

      test("a write may ask that the whole bucket is unchanged", async () => {
        const kv = await left.kv(bucket());
        const first = await kv.updateBucket("a", bytes("1"), 0);
        const second = await kv.updateBucket("b", bytes("2"), first);
        expect(await codeOf(kv.updateBucket("c", bytes("3"), first))).toBe("BUS_CONFLICT");
        expect(await codeOf(kv.updateBucket("c", bytes("3"), 0))).toBe("BUS_CONFLICT");
        expect(await kv.revision()).toBe(second);
      });

      test("with other settings than asked for are refused", async () => {
        const name = bucket();
        await left.kv(name, { ttlSeconds: 2 });
        expect(await codeOf(right.kv(name))).toBe("BUS_BUCKET_DIFFERS");
        expect(await codeOf(right.kv(name, { ttlSeconds: 3 }))).toBe("BUS_BUCKET_DIFFERS");
        await right.kv(name, { ttlSeconds: 2 });
      });

      test("that nobody has made are not made by who asks for one that is there", async () => {
        const name = bucket();
        const asked = (): Promise<KeyValue> => right.kv(name, { existing: true });
        expect((await refused(asked())).code).toBe("BUS_NO_BUCKET");
        expect((await refused(asked())).retryable).toBe(true);
        await (await left.kv(name)).put("a", bytes("1"));
        expect(text((await (await asked()).get("a"))?.value)).toBe("1");
      });

      test("with a lifetime forget keys that nobody writes", async () => {
        const kv = await left.kv(bucket(), { ttlSeconds: 1 });
        await kv.put("dies", bytes("x"));
        await kv.put("lives", bytes("x"));
        await until(backend, async () => {
          await kv.put("lives", bytes("y"));
          return (await kv.get("dies")) === undefined;
        });
        expect(await kv.keys()).toEqual(["lives"]);
        await kv.create("dies", bytes("again"));
      });
    });

    describe("watches", () => {
      test("tell what there is, then what changes, in order", async () => {
        const name = bucket();
        const [mine, yours] = [await left.kv(name), await right.kv(name)];
        for (const [key, value] of ["a1", "b1", "c1", "a2"]) await mine.put(key!, bytes(value!));
        await mine.delete("b");
        const told: string[] = [];
        const tell = ({ key, value, revision }: Change): void => {
          told.push(`${revision} ${key}${value ? text(value) : " gone"}`);
        };
        await yours.watch("all", tell);
        expect(told).toEqual(["3 c1", "4 a2"]);
        for (let i = 0; i < 20; i++) await mine.put("d", bytes(`${i}`));
        await mine.delete("c");
        await until(backend, () => told.at(-1) === "26 c gone");
        const revisions = told.map((line) => Number.parseInt(line, 10));
        expect(revisions).toEqual([...revisions].sort((a, b) => a - b));
        expect(new Set(revisions).size).toBe(revisions.length);
        expect(told).toContain("25 d19");
      });

      test("of an empty bucket begin at once; of one key or those below hear no others", async () => {
        const kv = await left.kv(bucket());
        const one: string[] = [];
        const some: string[] = [];
        const all: string[] = [];
        await kv.watch({ key: "x.a" }, ({ key }) => one.push(key));
        await kv.watch({ below: "x" }, ({ key }) => some.push(key));
        const ended = await kv.watch("all", ({ key }) => all.push(key));
        ended.close();
        for (const key of ["x", "y.a", "x.a", "x.b.c", "xx.a", "x.z"]) await kv.put(key, bytes(""));
        await until(backend, () => some.includes("x.z"));
        await until(backend, () => one.length > 0);
        expect(one).toEqual(["x.a"]);
        expect(some).toEqual(["x.a", "x.b.c", "x.z"]);
        expect(all).toEqual([]);
      });
    });

    describe("blobs", () => {
      test("come back as they were put, and are replaced as one", async () => {
        const name = bucket();
        const [mine, yours] = [await openBlobs(left, name), await openBlobs(right, name)];
        const data = Uint8Array.from({ length: 700_001 }, (_, i) => (i * 7) % 251);
        expect(await mine.get("weights")).toBeUndefined();
        await mine.put("weights", data);
        expect(Buffer.compare((await yours.get("weights"))!, data)).toBe(0);
        await mine.put("weights", bytes("small"));
        expect(text(await yours.get("weights"))).toBe("small");
        const kv = await left.kv(name);
        expect(await kv.keys()).toHaveLength(2);
        await yours.delete("weights");
        expect(await kv.keys()).toEqual([]);
      });

      test("whose pieces were changed are refused", async () => {
        const name = bucket();
        const blobs = await openBlobs(left, name);
        await blobs.put("b", bytes("whole"));
        const kv = await left.kv(name);
        const [piece] = await kv.keys({ below: "b" });
        await kv.put(piece!, bytes("whale"));
        expect(await codeOf(blobs.get("b"))).toBe("BUS_BLOB_TORN");
      });
    });

    test("a closed client refuses, stops hearing and serving, and closes once more for nothing", async () => {
      const bus = await backend.connect("short-lived");
      const kv = await bus.kv(bucket());
      const heard: string[] = [];
      await bus.subscribe("after.close", () => heard.push("late"));
      await bus.serve("served.until.close", () => bytes("here"));
      expect(text(await left.request("served.until.close", bytes(""), { deadline }))).toBe("here");
      await bus.close();
      await bus.close();
      expect(() => bus.publish("x", bytes(""))).toThrow(/closed/);
      expect(await codeOf(bus.request("x", bytes(""), { deadline }))).toBe("BUS_CLOSED");
      expect(await codeOf(kv.get("x"))).toBe("BUS_CLOSED");
      expect(await codeOf(bus.subscribe("x", () => {}))).toBe("BUS_CLOSED");
      await until(
        backend,
        async () =>
          (await codeOf(left.request("served.until.close", bytes(""), { deadline }))) ===
          "BUS_NO_RESPONDERS",
      );
      left.publish("after.close", bytes(""));
      await left.request("served.until.close", bytes(""), { deadline }).catch(() => {});
      expect(heard).toEqual([]);
    });
  });
}
