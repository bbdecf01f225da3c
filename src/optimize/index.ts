/** What `pangaea/optimize` offers to the outside; nothing in `src` imports it. */
export { createOptimizer, type Optimizer } from "./optimizer.ts";
export { createRule, type Rule, type RuleSetup } from "./rule.ts";
export { ScheduleSpec, scheduleFactor } from "./schedule.ts";
export { OptimizerSpec } from "./spec.ts";
