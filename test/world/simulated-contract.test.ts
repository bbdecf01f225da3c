import { contractNodes, worldContract } from "./contract.ts";
import { makeTopology, simulate } from "./fixtures.ts";

worldContract("the simulated world", () => ({
  link: makeTopology().link(0, 1),
  run: async (programs) => {
    const { simulation } = simulate(contractNodes);
    for (const [node, program] of programs) simulation.start(node.id, program);
    await simulation.run();
  },
}));
