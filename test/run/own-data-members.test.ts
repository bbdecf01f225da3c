/**
 * Records that stay at their sites while hosts come and go: one that dies is replaced by another which reads the same
 * files and is told the same (needs `npm run build` before).
 */
import { test } from "vitest";
import { access, agents } from "./agents.ts";
import { clusterOf, loseAndReplace } from "./cluster-runs.ts";
import { agentsAt, executeOn, heart, hospitals } from "./own-data.ts";

test("a host that dies is replaced by one with the same records", async () => {
  const [there, folders] = [await agents(), hospitals()];
  await agentsAt(there, folders.sites.slice(0, 2));
  const spec = heart({
    world: clusterOf(there),
    sites: { count: 2, workers: 1 },
    between: { kind: "none" },
    stop: { maxClocks: 100_000 },
    evaluate: { every: 10 },
  });
  await loseAndReplace((given) => executeOn(folders.test, spec, { cluster: access, ...given }));
  await there.stop();
  folders.remove();
}, 60_000);
