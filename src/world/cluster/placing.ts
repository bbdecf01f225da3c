/** The agents of a run where they are not there beforehand: one a site, started by a placer for this run alone. */

import { fileURLToPath } from "node:url";
import { InputError } from "../../core/errors.ts";
import type { NodeInfo } from "../contract.ts";
import { type ClusterAccess, isHere } from "./access.ts";
import { FOR_RUN } from "./coordinator.ts";
import { OWN_HOST, type PlacedProcess, type Placer, type WaitingNote } from "./place/contract.ts";
import { forceable, type OnForced } from "./place/forced.ts";
import { kubeAccess } from "./place/kubernetes/access.ts";
import { kubernetesPlacer } from "./place/kubernetes/kubernetes.ts";
import { TENSOR_PORT } from "./place/kubernetes/manifest.ts";
import { Ledger } from "./place/ledger.ts";
import { processesPlacer } from "./place/processes.ts";
import { rayPlacer } from "./place/ray.ts";
import { slurmPlacer } from "./place/slurm/slurm.ts";
import type { PlaceSpec } from "./place-spec.ts";
import { asWord } from "./subjects.ts";

/** From source (tests, tsx) the compiled program is used. */
const CLI = new URL(
  import.meta.url.endsWith(".ts") ? "../../../dist/cli/main.js" : "../../cli/main.js",
  import.meta.url,
);

/** @param onForced for a process that may be ended by force. */
export function placerOf(
  place: PlaceSpec,
  tell: (text: string) => void,
  onForced?: OnForced,
): Placer {
  const ledger = new Ledger();
  const placer = plainPlacer(place, tell, ledger);
  // Processes of this machine end with it.
  if (!onForced || place.kind === "processes") return placer;
  return forceable(placer, { ledger, tell, onForced });
}

function plainPlacer(place: PlaceSpec, tell: (text: string) => void, ledger: Ledger): Placer {
  const waiting = ({ name, why }: WaitingNote): void => tell(`${name} waits for its place: ${why}`);
  switch (place.kind) {
    case "processes":
      return processesPlacer();
    case "slurm": {
      const { USER: user = "root", SLURM_JWT: jwt } = process.env;
      const token =
        jwt === undefined ? undefined : { user, read: () => process.env.SLURM_JWT ?? jwt };
      return slurmPlacer({ ...place, token, waiting, ledger });
    }
    case "kubernetes": {
      const { image } = place;
      if (image !== undefined)
        return kubernetesPlacer({ ...place, image, access: kubeAccess(), waiting, ledger });
      const message = "Kubernetes needs the image of the agents' pods";
      const fix = "--image NAME, or world.place: { kind: kubernetes, image: NAME }";
      throw new InputError([{ code: "BAD_SETTING", message, fix }]);
    }
    case "ray":
      return rayPlacer({ ...place, waiting, ledger });
  }
}

/** What `pangaea node` is called with at each site. */
export function agentsOf(
  run: string,
  nodes: readonly NodeInfo[],
  place: PlaceSpec,
  reach: {
    readonly nats: readonly string[];
    readonly domain: string | undefined;
    readonly access: ClusterAccess;
    /** Where this machine's data lie. */
    readonly data: string | undefined;
  },
): readonly PlacedProcess[] {
  const { nats, domain, access, data } = reach;
  const here = place.kind === "processes";
  return [...new Set(nodes.map(({ site }) => site as string))].map((site) => ({
    name: asWord(site).replaceAll(/[/_=]/g, "-"),
    site,
    command: [
      ...(here ? [process.execPath, fileURLToPath(CLI)] : ["pangaea"]),
      ...["node", "--site", site, "--nats", nats.join(","), "--once", run],
      ...["--label", `${FOR_RUN}=${run}`, "--name", `${asWord(site)}/${run}`],
      ...(domain === undefined ? [] : ["--domain", domain]),
      ...(here ? (access.flags ?? []) : []),
      ...(here && data !== undefined ? ["--data", data] : []),
      ...dialledAt(place, nats),
      ...place.args,
    ],
    env: {},
    cores: place.cores,
    memoryBytes: place.memoryBytes,
    labels: place.machines[site] ?? {},
  }));
}

const ANY_ADDRESS = "0.0.0.0";

/**
 * Where other agents dial those that a scheduler has put somewhere. Beyond loopback that takes TLS, whose files lie there.
 * @throws InputError INSECURE_ADDRESS where the agents are to be on several machines, and are given no certificate.
 */
function dialledAt(place: PlaceSpec, nats: readonly string[]): readonly string[] {
  const given = (flag: string): boolean =>
    place.args.some((word) => word === flag || word.startsWith(`${flag}=`));
  const at = (port: string): readonly string[] => [
    ...["--listen", `${ANY_ADDRESS}${port}`, "--advertise", `${OWN_HOST}${port}`],
  ];
  // Each pod has an address of its own; on other machines several agents may share one.
  if (place.kind === "kubernetes") return at(`:${TENSOR_PORT}`);
  if (place.kind === "processes" || given("--listen")) return [];
  if (given("--tls-cert")) return at("");
  if (nats.every(isHere)) return [];
  const message = `agents that ${place.kind} starts dial each other, and world.place.args names no certificate of theirs`;
  const fix =
    "args: [--tls-ca, FILE, --tls-cert, FILE, --tls-key, FILE], files of the machines there; or [--listen, 127.0.0.1], and NATS relays everything";
  const path = ["world", "place", "args"];
  throw new InputError([{ code: "INSECURE_ADDRESS", message, path, fix }]);
}
