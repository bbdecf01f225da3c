/**
 * The modelled processor of a node: how long a step takes in virtual time. One step at a time, in the order
 * of submission. The time is fixed when the step is submitted, so it never depends on the real machine.
 */
import { z } from "zod";
import type { Random } from "../core/random.ts";
import { type Flops, MILLISECOND, type Micros, SECOND } from "../core/units.ts";
import type { NodeInfo } from "./contract.ts";

/** Why a worker is slower than its declared speed. */
export const StragglerSpec = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("none") }),
  /** Each step's time times a lognormal factor of mean 1; sigma is that of the logarithm. */
  z.strictObject({ kind: z.literal("lognormal"), sigma: z.number().positive() }),
  /** The named nodes ("virginia/worker-0") are slower by a factor. */
  z.strictObject({
    kind: z.literal("slow"),
    nodes: z.array(z.string()).min(1),
    factor: z.number().gt(1),
  }),
  /** A step is followed by a pause with this probability. */
  z.strictObject({
    kind: z.literal("pauses"),
    probability: z.number().gt(0).lt(1),
    ms: z.number().positive(),
  }),
]);
export type StragglerSpec = z.infer<typeof StragglerSpec>;

export type ProcessorModel = (
  | { readonly kind: "speed"; readonly flopsPerSecond: number }
  | { readonly kind: "fixed"; readonly microsPerBatch: number }
) & { readonly straggler?: StragglerSpec | undefined };

export class Processor {
  readonly #model: ProcessorModel;
  readonly #node: NodeInfo;
  readonly #createRandom: () => Random;
  #random: Random | undefined;
  #busyUntil: Micros = 0;

  /** @param createRandom makes the node's stream for straggler draws, if there are any. */
  constructor(model: ProcessorModel, node: NodeInfo, createRandom: () => Random) {
    this.#model = model;
    this.#node = node;
    this.#createRandom = createRandom;
  }

  /** Takes a step at `now`; answers when it is finished. */
  submit(flops: Flops, now: Micros): Micros {
    this.#busyUntil = Math.max(now, this.#busyUntil) + this.#duration(flops);
    return this.#busyUntil;
  }

  /** Forgets all submitted steps (the node crashed). */
  reset(): void {
    this.#busyUntil = 0;
  }

  #duration(flops: Flops): Micros {
    const model = this.#model;
    const modelled =
      model.kind === "speed" ? (flops / model.flopsPerSecond) * SECOND : model.microsPerBatch;
    return Math.max(1, Math.round(this.#straggle(modelled)));
  }

  #draws(): Random {
    return (this.#random ??= this.#createRandom());
  }

  #straggle(micros: number): number {
    const straggler = this.#model.straggler;
    switch (straggler?.kind) {
      case "lognormal": {
        const { sigma } = straggler;
        return micros * Math.exp(sigma * this.#draws().normal() - (sigma * sigma) / 2);
      }
      case "slow":
        return straggler.nodes.includes(this.#node.id) ? micros * straggler.factor : micros;
      case "pauses":
        return this.#draws().next() < straggler.probability
          ? micros + straggler.ms * MILLISECOND
          : micros;
      default:
        return micros;
    }
  }
}
