/** The conditions of a node, so that a report can say for what and for whom it waits. */
import { Condition } from "../core/condition.ts";

export class Waits {
  readonly #conditions: Condition[] = [];

  condition(): Condition {
    const condition = new Condition();
    this.#conditions.push(condition);
    return condition;
  }

  /** One line for each thing that is waited for. */
  lines(): readonly string[] {
    return this.#conditions
      .flatMap((condition) => condition.waiting())
      .map(({ what, whom }) => {
        const names = whom?.() ?? [];
        return names.length > 0 ? `${what} (from ${names.join(", ")})` : what;
      });
  }
}
