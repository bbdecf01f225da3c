import { contractNodes, worldContract } from "./contract.ts";
import { simulate } from "./fixtures.ts";

worldContract("the simulated world", () => ({
  run: async (programs) => {
    const { simulation } = simulate(contractNodes);
    for (const [node, program] of programs) simulation.start(node.id, program);
    await simulation.run();
  },
}));
