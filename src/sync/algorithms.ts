/** From an algorithm's options to the algorithm: the table that every new one joins with one line. */
import { cartel } from "./between/cartel/cartel.ts";
import { centralize } from "./between/centralize/centralize.ts";
import { federated } from "./between/federated/federated.ts";
import { gaia } from "./between/gaia/gaia.ts";
import { none } from "./between/none/none.ts";
import { stretched } from "./between/stretched.ts";
import type { Between, Deployment, Training, Within } from "./contract.ts";
import type { BetweenSpec, WithinSpec } from "./options.ts";
import { parameterServer } from "./within/parameter-server/parameter-server.ts";

export function createBetween(spec: BetweenSpec): Between {
  switch (spec.kind) {
    case "stretched":
      return stretched(spec);
    case "none":
      return none(spec);
    case "centralize":
      return centralize(spec);
    case "federated":
      return federated(spec);
    case "gaia":
      return gaia(spec);
    case "cartel":
      return cartel(spec);
    default:
      return spec satisfies never;
  }
}

export function createWithin(
  spec: WithinSpec,
  training: Training,
  between: Between,
  deployment: Deployment,
): Within {
  switch (spec.kind) {
    case "parameter-server":
      return parameterServer(spec, training, between, deployment);
    default:
      return spec.kind satisfies never;
  }
}
