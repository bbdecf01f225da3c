/** Hosts of a cluster that cannot dial each other, or die (needs `npm run build` before). */
import { afterEach, describe, expect, test } from "vitest";
import { execute } from "../sync/real.ts";
import { type Agents, access, agents } from "./agents.ts";
import { clusterOf, loseAndReplace, quick } from "./cluster-runs.ts";
import { bits } from "./equal-bits.ts";

let there: Agents;
afterEach(() => there.stop());

describe("hosts of a cluster", () => {
  test("that cannot dial each other are joined over the bus", async () => {
    // A port at which nobody listens.
    const advertise = { host: "127.0.0.1", port: 1 };
    there = await agents();
    for (const site of ["site-0", "site-1"]) await there.start(site, { advertise });
    const world = clusterOf(there);
    const more = { between: { kind: "gaia", staleness: 0 } };
    const warned: string[] = [];
    const real = await execute(quick(1, { ...more, world }), {
      cluster: access,
      warn: (text) => warned.push(text),
    });
    expect(bits(real)).toEqual(bits(await execute(quick(1, more))));
    expect(warned.some((text) => /cannot dial each other/.test(text))).toBe(true);
  });

  test("of workers alone need no way to other sites: their servers have it", async () => {
    // Nobody reaches a worker's host, and those of two sites not each other.
    const closed = { host: "127.0.0.1", port: 1 };
    there = await agents();
    for (const site of ["site-0", "site-1"]) {
      await there.start(site, { roles: ["server"] });
      await there.start(site, { roles: ["worker"], advertise: closed });
    }
    const more = { between: { kind: "gaia", staleness: 0 } };
    const warned: string[] = [];
    const real = await execute(quick(1, { ...more, world: clusterOf(there) }), {
      cluster: access,
      warn: (text) => warned.push(text),
    });
    expect(bits(real)).toEqual(bits(await execute(quick(1, more))));
    expect(warned.filter((text) => /cannot dial/.test(text))).toEqual([]);
  });

  test("are not promised by an agent that cannot listen where it is told to", async () => {
    there = await agents();
    const { port } = there.server;
    const taken = there.start("site-0", { listen: { host: "127.0.0.1", port } });
    await expect(taken).rejects.toMatchObject({ code: "LISTEN_FAILED" });
    const open = there.start("site-0", { listen: { host: "0.0.0.0", port: 0 } });
    await expect(open).rejects.toMatchObject({ code: "INSECURE_ADDRESS" });
  });

  test("of which one dies are left behind, and another agent takes its place", async () => {
    there = await agents();
    for (const site of ["site-0", "site-1"]) await there.start(site);
    const more = {
      between: { kind: "none" },
      stop: { maxClocks: 100_000 },
      evaluate: { every: 10 },
    };
    const spec = quick(1, { ...more, world: clusterOf(there) });
    await loseAndReplace((given) => execute(spec, { cluster: access, ...given }));
  }, 60_000);
});
