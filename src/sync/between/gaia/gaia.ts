/** Gaia as a `between`: each site a whole copy of its own, mirrors of each shard kept approximately equal. */
import type { Between } from "../../contract.ts";
import { domainPerSite } from "../../domains.ts";
import type { GaiaOptions } from "./options.ts";
import { createOverlay, type Overlay } from "./overlay.ts";
import { GaiaShard } from "./shard.ts";

export function gaia(options: GaiaOptions): Between {
  let overlay: Overlay | undefined;
  return {
    deploy({ sites, training, network }) {
      overlay = createOverlay(sites, network, options.overlay);
      const domains = domainPerSite(sites, training.learner.layout.length, "all");
      return { domains, extra: [], judged: "domains" };
    },
    open: (shard) => new GaiaShard(shard, options, overlay as Overlay),
  };
}
