/**
 * Chance whose state is one number, so that a saved model goes on as it would have: splitmix32 (Steele, Lea and Flood,
 * "Fast splittable pseudorandom number generators", OOPSLA 2014, in its 32-bit form).
 */
export class Dice {
  /** The whole state, below 2^32. */
  state: number;

  constructor(state: number) {
    this.state = state >>> 0;
  }

  /** 32 random bits. */
  bits(): number {
    this.state = (this.state + 0x9e3779b9) >>> 0;
    let z = this.state;
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return (z ^ (z >>> 15)) >>> 0;
  }

  /** Uniform in 0 .. bound - 1. */
  below(bound: number): number {
    return Math.floor((this.bits() / 4294967296) * bound);
  }
}

/** Poisson numbers by their distribution function, which 32 random bits are looked up in. */
export class Poisson {
  readonly #steps: Float64Array;

  constructor(mean: number) {
    const steps: number[] = [];
    let term = Math.exp(-mean);
    let sum = term;
    for (let k = 1; steps.length < 64 && sum < 1 - 1e-9; k++) {
      steps.push(sum * 4294967296);
      term *= mean / k;
      sum += term;
    }
    this.#steps = Float64Array.from(steps);
  }

  draw(dice: Dice): number {
    const bits = dice.bits();
    let k = 0;
    while (k < this.#steps.length && bits >= (this.#steps[k] as number)) k++;
    return k;
  }
}
