import { contractNodes, worldContract } from "./contract.ts";
import { hostSites, memoryPair } from "./local-fixtures.ts";

worldContract("the local world (two hosts in memory)", () =>
  hostSites(contractNodes, memoryPair()),
);
worldContract("the local world (shaped links)", () =>
  hostSites(contractNodes, memoryPair(), { shaped: true }),
);
