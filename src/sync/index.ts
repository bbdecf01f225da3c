/** What `pangaea/sync` offers to the outside: the contracts of the two tiers and the algorithms in them. */
export { createBetween, createWithin } from "./algorithms.ts";
export { CentralizeOptions } from "./between/centralize/centralize.ts";
export { FederatedOptions } from "./between/federated/options.ts";
export { GaiaOptions, Overlay, ThresholdSchedule } from "./between/gaia/options.ts";
export { NoneOptions } from "./between/none/none.ts";
export { StretchedOptions } from "./between/stretched.ts";
export type * from "./contract.ts";
export { domainPerSite, stretchedDomain } from "./domains.ts";
export { BetweenSpec, WithinSpec } from "./options.ts";
export { ParameterServerOptions } from "./within/parameter-server/options.ts";
