/** The parameter server as a `within`: workers and shard owners of one copy. */
import type { NodeProgram } from "../../../world/contract.ts";
import type {
  Between,
  Deployment,
  Domain,
  OwnerPlan,
  Training,
  Within,
  WorkerPlan,
} from "../../contract.ts";
import type { ParameterServerOptions } from "./options.ts";
import { ShardOwner } from "./owner.ts";
import { runWorker } from "./worker.ts";

export function parameterServer(
  options: ParameterServerOptions,
  training: Training,
  between: Between,
  deployment: Deployment,
): Within {
  const judged = deployment.judged === "domains";
  return {
    worker: (domain: Domain, worker: WorkerPlan): NodeProgram => {
      const copy = judged ? domain.id : "global";
      const setup = { options, training, domain, worker, between, copy };
      return (world, scope) => runWorker(setup, world, scope);
    },
    owner: (domain: Domain, owner: OwnerPlan): NodeProgram => {
      const domains = deployment.domains;
      return async (world, scope) => {
        const shard = new ShardOwner(
          { options, training, domains, domain, owner, between, judged },
          world,
          scope,
        );
        await world
          .condition()
          .until(
            () => false,
            { what: "the end of the run", whom: () => shard.waitingFor() },
            scope,
          );
      };
    },
  };
}
