/**
 * The table of algorithms: every `within` and `between` with its own options schema. A new algorithm adds
 * one line here.
 */
import { z } from "zod";
import { CartelOptions } from "./between/cartel/options.ts";
import { CentralizeOptions } from "./between/centralize/centralize.ts";
import { FederatedOptions } from "./between/federated/options.ts";
import { GaiaOptions } from "./between/gaia/options.ts";
import { NoneOptions } from "./between/none/none.ts";
import { StretchedOptions } from "./between/stretched.ts";
import { ParameterServerOptions } from "./within/parameter-server/options.ts";

export const WithinSpec = z.discriminatedUnion("kind", [ParameterServerOptions]);
export type WithinSpec = z.infer<typeof WithinSpec>;

export const BetweenSpec = z.discriminatedUnion("kind", [
  StretchedOptions,
  NoneOptions,
  CentralizeOptions,
  FederatedOptions,
  GaiaOptions,
  CartelOptions,
]);
export type BetweenSpec = z.infer<typeof BetweenSpec>;
