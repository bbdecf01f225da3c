/** Waits that end: for a condition, or until a time is over. */
import type { Condition, WaitReason } from "../../../core/condition.ts";
import { Scope } from "../../../core/scope.ts";
import type { Micros } from "../../../core/units.ts";
import type { World } from "../../../world/contract.ts";

/** True once `holds`, false when it did not within `micros`. Rejects only when the scope is cancelled. */
export async function holdsWithin(
  world: World,
  condition: Condition,
  holds: () => boolean,
  micros: Micros,
  reason: WaitReason,
  scope: Scope,
): Promise<boolean> {
  if (holds()) return true;
  let over = false;
  await Scope.run(async (inner) => {
    inner.spawn(async (timer) => {
      await world.clock.sleep(Math.max(0, Math.round(micros)), timer);
      over = true;
      condition.notify();
    });
    await condition.until(() => over || holds(), reason, inner);
  }, scope);
  return holds();
}
