/** Vectors that grow while a stream is read, then lie in shared memory. */
import { sharedFloats, sharedInts } from "./bytes.ts";

class Growing<A extends Int32Array | Float32Array> {
  #room: A;
  readonly #make: (length: number) => A;
  length = 0;

  constructor(make: (length: number) => A) {
    this.#make = make;
    this.#room = make(1024);
  }

  push(value: number): void {
    if (this.length === this.#room.length) {
      const larger = this.#make(2 * this.length);
      larger.set(this.#room);
      this.#room = larger;
    }
    this.#room[this.length++] = value;
  }

  /** What was pushed, in shared memory of just that size. */
  finish(shared: (length: number) => A): A {
    const made = shared(this.length);
    made.set(this.#room.subarray(0, this.length));
    return made;
  }
}

export class GrowingInts extends Growing<Int32Array> {
  constructor() {
    super((length) => new Int32Array(length));
  }
  shared(): Int32Array {
    return this.finish(sharedInts);
  }
}

export class GrowingFloats extends Growing<Float32Array> {
  constructor() {
    super((length) => new Float32Array(length));
  }
  shared(): Float32Array {
    return this.finish(sharedFloats);
  }
}

/** Dense numbers for names, in order of first appearance. */
export class Names {
  readonly #numbers = new Map<string, number>();

  numberOf(name: string): number {
    let number = this.#numbers.get(name);
    if (number === undefined) {
      number = this.#numbers.size;
      this.#numbers.set(name, number);
    }
    return number;
  }

  get size(): number {
    return this.#numbers.size;
  }

  list(): readonly string[] {
    return [...this.#numbers.keys()];
  }
}
