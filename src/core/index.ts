/** What `pangaea/core` offers to the outside; nothing in `src` imports it. */
export { Condition, type WaitReason } from "./condition.ts";
export * from "./dataset.ts";
export * from "./errors.ts";
export type * from "./events.ts";
export { type NodeId, nodeId, type Role, type SiteId, siteId } from "./ids.ts";
export type { AdamSettings, Kernels } from "./kernels/contract.ts";
export { createKernels } from "./kernels/create.ts";
export { createPlainKernels } from "./kernels/plain.ts";
export { createSimdKernels } from "./kernels/simd.ts";
export { createRandom, type Random } from "./random.ts";
export { Scope } from "./scope.ts";
export * from "./units.ts";
