/** What the coordinators and clients of a shard say to each other. */
import { messageKind } from "../../../world/message.ts";

/** Coordinator to client: `{ round }` and the global values. */
export const ROUND = messageKind("federated.round", "bulk", "parameters");

/** Client to coordinator: `{ round, site }` and the site's values. */
export const RESULT = messageKind("federated.result", "bulk", "parameters");

/** First shard's coordinator to the others, once members have changed: `{ round, clients, incarnations }`. */
export const PLAN = messageKind("federated.plan", "control", "control");
