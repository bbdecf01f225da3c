/** Worlds in which node programs run. */
export * from "./compute/contract.ts";
export { createComputePool } from "./compute/pool.ts";
export * from "./contract.ts";
export * from "./message.ts";
export { type ProcessorModel, StragglerSpec } from "./processor.ts";
export { FaultSpec } from "./simulated/faults.ts";
export {
  Simulation,
  type SimulationOptions,
  type SimulationResult,
} from "./simulated/simulation.ts";
export * from "./topology.ts";
