/** Which sites take part in a round of federated averaging, and for how long. */
import type { Random } from "../../../core/random.ts";
import type { Domain } from "../../contract.ts";

/** Clocks that a site needs for E passes over its data. */
export function clocksPerRound(domain: Domain, epochs: number, batch: number): number {
  const longest = Math.max(...domain.workers.map((worker) => worker.rows.length));
  return Math.max(1, Math.ceil((epochs * longest) / batch));
}

/** The clients of a round: max(C*K, 1) of them, ascending. Every shard draws the same. */
export function pickClients(random: Random, count: number, fraction: number): number[] {
  const picked = Math.max(1, Math.round(fraction * count));
  const order = Array.from({ length: count }, (_, i) => i);
  if (picked === count) return order;
  random.shuffle(order);
  return order.slice(0, picked).sort((a, b) => a - b);
}
