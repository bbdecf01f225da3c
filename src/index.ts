/** The whole library under one name; each part also has its own (`pangaea/core`, `pangaea/run`, …). */
export * from "./browser/index.ts";
export * from "./codec/index.ts";
export * from "./core/index.ts";
export * from "./data/index.ts";
export * from "./model/index.ts";
export * from "./optimize/index.ts";
export * from "./run/index.ts";
export * from "./sync/index.ts";
export * from "./world/index.ts";
