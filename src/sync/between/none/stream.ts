/** Isolated learning on streams: every site learns its own stream and asks nobody. A baseline. */
import { runSite } from "../../site-loop.ts";
import type { StreamDeployment, StreamRequest } from "../../streams.ts";

export const isolatedStreams = (request: StreamRequest): StreamDeployment => ({
  programs: request.sites.map((site) => ({
    node: site.peer,
    program: async (world, scope) => {
      const model = request.createModel(world.random.stream("model"));
      await runSite({ world, site, request }, { model: () => model }, scope);
    },
  })),
  enders: request.sites.map(({ peer }) => peer),
});
