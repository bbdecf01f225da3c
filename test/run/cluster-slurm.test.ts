/** A run whose agents Slurm starts: they reach each other at their nodes' addresses (needs `npm run build` before). */
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, expect, test } from "vitest";
import { packageVersion } from "../../src/cli/folders.ts";
import { openMembers, watchMembers } from "../../src/world/bus/membership.ts";
import { connectNats } from "../../src/world/bus/nats.ts";
import { realTimers } from "../../src/world/bus/timers.ts";
import { execute } from "../sync/real.ts";
import { createAuthority } from "../world/certificates.ts";
import { natsOptions, startNats } from "../world/nats-server.ts";
import { nodeAddress, startSlurm } from "../world/place-slurm-cluster.ts";
import { quick } from "./cluster-runs.ts";

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

/** For the time of a test. */
function setVariable(name: string, value: string): void {
  const before = process.env[name];
  process.env[name] = value;
  ends.push(() => {
    if (before === undefined) delete process.env[name];
    else process.env[name] = before;
  });
}

test("agents of two sites on two nodes are joined directly, with TLS, and nothing is relayed", async () => {
  const server = await startNats();
  ends.push(() => server.stop());
  const slurm = await startSlurm();
  ends.push(() => slurm.stop());
  setVariable("SLURM_CONF", slurm.config);
  const programs = join(slurm.folder, "programs");
  mkdirSync(programs);
  const main = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
  const program = join(programs, "pangaea");
  writeFileSync(program, `#!/bin/sh\nexec "${process.execPath}" "${main}" "$@"\n`);
  chmodSync(program, 0o755);
  setVariable("PATH", `${programs}${delimiter}${process.env["PATH"]}`);
  const addresses = [0, 1, 2].map(nodeAddress);
  const tls = createAuthority().issue("localhost", undefined, addresses);
  const file = (name: "ca" | "cert" | "key"): string => {
    const path = join(slurm.folder, name);
    writeFileSync(path, tls[name]);
    return path;
  };
  const args = [
    ...["--insecure", "--tls-ca", file("ca"), "--tls-cert", file("cert"), "--tls-key", file("key")],
    ...["--threads", "0"],
  ];
  const bus = await connectNats(natsOptions(server));
  ends.push(() => bus.close());
  const seen: string[] = [];
  const timers = realTimers();
  const notify = (event: {
    readonly type: string;
    readonly member: { readonly address: string };
  }) => {
    if (event.type === "joined") seen.push(event.member.address);
  };
  const view = await watchMembers(await openMembers(bus), { timers, notify });
  ends.push(() => view.close());
  const told: string[] = [];
  const place = {
    ...{ kind: "slurm", folder: slurm.folder, cores: 2, memoryBytes: 600e6, args },
    machines: { "site-0": { size: "big" }, "site-1": { region: "ireland" } },
  };
  const world = { kind: "cluster", nats: [server.url], place };
  const { outcome } = await execute(quick(1, { world }), {
    cluster: { version: packageVersion(), insecure: true, tls },
    warn: (text) => told.push(text),
  });
  expect(outcome.reason).toBe("maxClocks");
  expect(told.filter((text) => /relayed|cannot be dialled|cannot dial/.test(text))).toEqual([]);
  expect(seen.sort()).toEqual([nodeAddress(1), nodeAddress(2)]);
});
