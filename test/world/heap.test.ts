/** The agenda against a sorted array, the queue against a plain one. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { Fifo } from "../../src/world/fifo.ts";
import { EventHeap, type SimulatedEvent } from "../../src/world/simulated/heap.ts";

interface Numbered extends SimulatedEvent {
  readonly at: number;
  readonly n: number;
}

const event = (at: number, n: number): Numbered => ({
  at,
  n,
  dead: false,
  ready: true,
  fire: () => true,
});

test("events come by time, then in the order in which they were pushed; retired ones never", () => {
  const action = fc.oneof(
    { weight: 5, arbitrary: fc.record({ push: fc.integer({ min: 0, max: 20 }) }) },
    { weight: 2, arbitrary: fc.constant({ pop: true as const }) },
    { weight: 2, arbitrary: fc.record({ retire: fc.nat() }) },
  );
  fc.assert(
    fc.property(fc.array(action, { maxLength: 300 }), (actions) => {
      const heap = new EventHeap();
      let expected: Numbered[] = [];
      actions.forEach((each, n) => {
        if ("push" in each) {
          const pushed = event(each.push, n);
          heap.push(pushed.at, pushed);
          expected.push(pushed);
          expected.sort((a, b) => a.at - b.at || a.n - b.n);
        } else if ("retire" in each) {
          const victim = expected[each.retire % Math.max(1, expected.length)];
          if (!victim) return;
          heap.retire(victim);
          expected = expected.filter((other) => other !== victim);
        } else {
          const next = expected.shift();
          expect(heap.peek()).toBe(next);
          if (!next) return;
          expect(heap.topTime).toBe(next.at);
          heap.pop();
        }
      });
      for (const next of expected) {
        expect(heap.peek()).toBe(next);
        heap.pop();
      }
      expect(heap.peek()).toBeUndefined();
    }),
  );
});

test("many retired events do not pile up", () => {
  const heap = new EventHeap();
  const kept: Numbered[] = [];
  for (let n = 0; n < 50_000; n++) {
    const each = event((n * 7919) % 10_007, n);
    heap.push(each.at, each);
    if (n % 10 === 0) kept.push(each);
    else heap.retire(each);
  }
  expect(heap.size).toBeLessThan(3 * kept.length);
  kept.sort((a, b) => a.at - b.at || a.n - b.n);
  for (const each of kept) {
    expect(heap.peek()).toBe(each);
    heap.pop();
  }
  expect(heap.peek()).toBeUndefined();
});

test("a queue gives back what came first", () => {
  const action = fc.constantFrom("push", "push", "shift", "shift", "unshift", "clear");
  fc.assert(
    fc.property(fc.array(action, { maxLength: 400 }), (actions) => {
      const fifo = new Fifo<number>();
      const plain: number[] = [];
      actions.forEach((each, n) => {
        if (each === "push") fifo.push(plain[plain.push(n) - 1]!);
        else if (each === "unshift") {
          fifo.unshift(n);
          plain.unshift(n);
        } else if (each === "shift") expect(fifo.shift()).toBe(plain.shift());
        else if (n % 5 === 0) {
          fifo.clear();
          plain.length = 0;
        }
        expect(fifo.length).toBe(plain.length);
      });
    }),
  );
});
