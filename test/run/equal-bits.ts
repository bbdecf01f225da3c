/** What two executions of one run are compared by: parameters bit for bit, messages, judgements. */
import { type Executed, evaluations } from "../sync/real.ts";

export const bits = ({ outcome }: Executed) =>
  [outcome.global, ...outcome.models].map((model) => {
    const { buffer } = Float32Array.from(model?.parameters ?? []);
    return Buffer.from(buffer).toString("base64");
  });
/** Messages by pair of sites and kind, and their bytes: an answer's length depends on whom it waited for. */
export const traffic = ({ events }: Executed) => {
  const counts = new Map<string, { messages: number; bytes: number }>();
  for (const event of events) {
    if (event.type !== "traffic") continue;
    const key = `${event.from} ${event.to} ${event.kind}`;
    const count = counts.get(key) ?? { messages: 0, bytes: 0 };
    count.messages += event.messages;
    if (event.kind !== "ps.values") count.bytes += event.bytes;
    counts.set(key, count);
  }
  return counts;
};
export const judged = (run: Executed) =>
  evaluations(run)
    .filter((event) => event.type === "evaluation" && event.final !== true)
    .map((event) => (event.type === "evaluation" ? [event.clock, event.metrics, event.sites] : []));
