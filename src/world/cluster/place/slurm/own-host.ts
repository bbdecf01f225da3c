/**
 * By what the nodes of Slurm reach each other: the address that Slurm itself has of each (NodeAddr), which is the node's
 * name where nothing else is configured.
 */
import type { PlacedProcess } from "../contract.ts";
import { asksForOwnHost, withOwnHost } from "../own-host.ts";
import { shellWord } from "../quote.ts";
import { featuresOf, type SlurmNode } from "./demand.ts";

/** The process with its node's own address in its command, where it asks for that. */
export function atOwnHost(process: PlacedProcess, nodes: readonly SlurmNode[]): PlacedProcess {
  if (!asksForOwnHost(process.command)) return process;
  const wanted = featuresOf(process);
  const otherwise = nodes.filter(
    ({ name, address = name, features }) =>
      address !== name && wanted.every((feature) => features.includes(feature)),
  );
  const cases = otherwise.map(
    ({ name, address = name }) => `${shellWord(name)}) host=${shellWord(inUrl(address))};;`,
  );
  const find = `case "$SLURMD_NODENAME" in\n${cases.join("\n")}\n*) host=$SLURMD_NODENAME;;\nesac`;
  return { ...process, command: ["sh", "-c", withOwnHost(process.command, find)] };
}

const inUrl = (address: string): string => (address.includes(":") ? `[${address}]` : address);
