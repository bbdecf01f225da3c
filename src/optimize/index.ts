export { createOptimizer, type Optimizer } from "./optimizer.ts";
export { ScheduleSpec, scheduleFactor } from "./schedule.ts";
export { OptimizerSpec } from "./spec.ts";
