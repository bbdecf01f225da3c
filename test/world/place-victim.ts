/** A coordinator that places one process and waits: to be killed, so that a test sees what becomes of the process. */
import { Scope } from "../../src/core/scope.ts";
import { processesPlacer } from "../../src/world/cluster/place/processes.ts";
import { child, wanted } from "./place-fixtures.ts";

await Scope.run(async (scope) => {
  const placed = await processesPlacer().place([wanted("left", child("waits"))], scope);
  await placed.placements[0]?.ended;
});
