/** Slurm: by slurmrestd where its address is given, else by `srun`. */
import type { Placer } from "../contract.ts";
import { placeByRest } from "./jobs.ts";
import type { SlurmOptions } from "./options.ts";
import { placeBySrun } from "./srun.ts";

export function slurmPlacer(options: SlurmOptions): Placer {
  const { address } = options;
  return {
    kind: "slurm",
    place: (processes, scope) =>
      address === undefined
        ? placeBySrun(options, processes, scope)
        : placeByRest(address, options, processes, scope),
  };
}
