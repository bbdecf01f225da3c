/** Slurm, by slurmrestd and by srun: a real one, of three nodes on this machine. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { InputError } from "../../src/core/errors.ts";
import { Scope } from "../../src/core/scope.ts";
import { MILLISECOND } from "../../src/core/units.ts";
import { realTimers } from "../../src/world/bus/timers.ts";
import type { Placer, WaitingNote } from "../../src/world/cluster/place/contract.ts";
import { HttpClient } from "../../src/world/cluster/place/http.ts";
import { SlurmRest } from "../../src/world/cluster/place/slurm/rest.ts";
import { slurmPlacer } from "../../src/world/cluster/place/slurm/slurm.ts";
import { failure, wanted } from "./place-fixtures.ts";
import { type SlurmCluster, startSlurm } from "./place-slurm-cluster.ts";

let cluster: SlurmCluster;
beforeAll(async () => {
  cluster = await startSlurm();
  process.env["SLURM_CONF"] = cluster.config;
});
afterAll(async () => {
  delete process.env["SLURM_CONF"];
  await cluster?.stop();
});

const sh = (text: string): readonly string[] => ["sh", "-c", text];
const SLEEPS = sh('echo "$PLACED on $SLURMD_NODENAME"; exec sleep 600');

const BY_REST = (): Placer => placer({ address: cluster.address });
const BY_SRUN = (): Placer => placer({});
const placer = (
  more: { readonly address?: string },
  waiting?: (note: WaitingNote) => void,
): Placer =>
  slurmPlacer({
    folder: cluster.folder,
    interval: 100 * MILLISECOND,
    stopDeadline: 3_000 * MILLISECOND,
    waiting,
    ...more,
  });

/** How many jobs there are that wait or run; of one that is completing, only Slurm's own bookkeeping is left. */
async function living(): Promise<number> {
  const timers = realTimers();
  const http = new HttpClient({ who: "slurmrestd", address: cluster.address, timers });
  const { jobs } = (await http.ask("GET", "/slurm/v0.0.38/jobs")) as {
    readonly jobs: readonly { readonly job_state: string }[];
  };
  return jobs.filter(({ job_state }) => /PENDING|RUNNING/.test(job_state)).length;
}

describe.each([
  ["slurmrestd", () => BY_REST()],
  ["srun", () => BY_SRUN()],
])("by %s", (way, place) => {
  test("three ranks run on three nodes; one fails, the others are taken back", async () => {
    await Scope.run(async (scope) => {
      const fails = sh('echo "$PLACED on $SLURMD_NODENAME"; sleep 1; echo no data >&2; exit 3');
      const ranks = [SLEEPS, fails, SLEEPS].map((command, i) =>
        wanted(`rank-${i}`, command, { cores: 2, memoryBytes: 600e6 }),
      );
      const placed = await place().place(ranks, scope);
      const [, second] = placed.placements;
      const end = await second?.ended;
      expect(end?.how).toBe("exit code 3");
      expect(end?.lastLines.at(-1)).toBe("no data");
      await placed.cancel();
      const ends = await Promise.all(placed.placements.map(({ ended }) => ended));
      const nodes = ends.map(({ lastLines }) => / on (n\d)/.exec(lastLines.join("\n"))?.[1]);
      expect(nodes.sort()).toEqual(["n1", "n2", "n3"]);
      expect(ends[0]?.how).toMatch(/^slurm: |^signal /);
      expect(await living()).toBe(0);
    });
  });

  test("labels choose the node; leaving the scope ends the job", async () => {
    await Scope.run(async (scope) => {
      const one = wanted("irish", sh('echo "at $SLURMD_NODENAME"'), {
        labels: { region: "ireland" },
      });
      const big = wanted("big", SLEEPS, { labels: { region: "oregon", big: "" }, gpus: 1 });
      const { placements } = await place().place([one, big], scope);
      expect(await placements[0]?.ended).toEqual({ how: "exit code 0", lastLines: ["at n2"] });
    });
    expect(await living()).toBe(0);
  });

  test("what no node has is said with its place and the nearest that there is", async () => {
    const asked = [
      wanted("a", SLEEPS, { labels: { region: "irland" } }),
      wanted("b", SLEEPS, { cores: 5 }),
      wanted("c", SLEEPS, { memoryBytes: 4e9 }),
      wanted("d", SLEEPS, { gpus: 2 }),
      wanted("e", SLEEPS, { labels: { x: "ireland", y: "big" } }),
    ];
    const error = await failure(Scope.run((scope) => place().place(asked, scope)));
    expect(error).toBeInstanceOf(InputError);
    expect((error as InputError).issues.map(({ path, fix }) => [path?.join("."), fix])).toEqual([
      ["a.labels.region", 'did you mean "ireland"?'],
      ["b.cores", "the largest has 2 cores"],
      ["c.memoryBytes", "the largest has 1000 MB"],
      ["d.gpus", "the largest has 1 GPUs"],
      ["e.labels", undefined],
    ]);
    expect(await living()).toBe(0);
  });

  test("what Slurm refuses takes back what it had accepted", async () => {
    const rows = [wanted("a", SLEEPS), wanted("b", SLEEPS, { site: "nowhere" })];
    const error = await failure(
      Scope.run((scope) =>
        slurmPlacer({
          folder: cluster.folder,
          interval: 100 * MILLISECOND,
          sites: { nowhere: { partition: "none" } },
          ...(way === "srun" ? {} : { address: cluster.address }),
        }).place(rows, scope),
      ),
    );
    expect(error.code).toMatch(/^SCHEDULER_REFUSED$|^PLACEMENT_FAILED$/);
    expect(error.message).toMatch(/[Ii]nvalid partition/);
    expect(await living()).toBe(0);
  });

  test("who waits is told, and cancelling the wait ends all", async () => {
    const more = way === "srun" ? {} : { address: cluster.address };
    const notes: WaitingNote[] = [];
    const error = await failure(
      Scope.run(async (scope) => {
        const full = ["a", "b", "c"].map((name) => wanted(name, SLEEPS, { cores: 2 }));
        await placer(more).place(full, scope);
        const waiting = (note: WaitingNote): void => {
          notes.push(note);
          scope.cancel("enough");
        };
        await placer(more, waiting).place([wanted("last", SLEEPS)], scope);
      }),
    );
    expect(error.code).toBe("CANCELLED");
    expect(notes[0]?.name).toBe("last");
    expect(notes[0]?.why).toMatch(/Resources|Priority|resources/);
    expect(await living()).toBe(0);
  });
});

describe("a slurmrestd that wants a JSON Web Token", () => {
  const withToken = (read: () => string): Placer =>
    slurmPlacer({
      ...{ address: cluster.guarded, token: { user: cluster.user, read }, folder: cluster.folder },
      interval: 100 * MILLISECOND,
    });
  const forged = (token: string): string => {
    const [head, claims] = token.split(".");
    return `${head}.${claims}.${"A".repeat(43)}`;
  };

  test("takes the jobs of whom the token names, and ends them", async () => {
    await Scope.run(async (scope) => {
      const tokens: string[] = [];
      const read = (): string => {
        const token = cluster.token();
        tokens.push(token);
        return token;
      };
      const one = wanted("signed", sh('echo "as $(id -un)"'));
      const { placements } = await withToken(read).place([one, wanted("b", SLEEPS)], scope);
      const end = await placements[0]?.ended;
      expect(end).toEqual({ how: "exit code 0", lastLines: [`as ${cluster.user}`] });
      expect(tokens.length).toBeGreaterThan(2);
    });
    expect(await living()).toBe(0);
  });

  test("refuses no token, a forged one and one cut short, whose text no error shows", async () => {
    const token = cluster.token();
    const none = slurmPlacer({ address: cluster.guarded, folder: cluster.folder });
    for (const [placer, code, fix] of [
      [none, "SCHEDULER_FORBIDDEN", /./],
      [withToken(() => forged(token)), "SCHEDULER_REFUSED", /token may be wrong, or over/],
      [withToken(() => token.slice(0, 40)), "SCHEDULER_REFUSED", /token may be wrong, or over/],
    ] as const) {
      const error = await failure(Scope.run((scope) => placer.place([wanted("a", SLEEPS)], scope)));
      expect([error.code, error.fix]).toEqual([code, expect.stringMatching(fix)]);
      expect(error.message).not.toContain(token.slice(0, 20));
    }
    expect(await living()).toBe(0);
  });
});

test("the newest version of the interface that is served is found", async () => {
  const timers = realTimers();
  const http = new HttpClient({ who: "slurmrestd", address: cluster.address, timers });
  expect((await SlurmRest.open(http)).version).toBe("v0.0.38");
});

test("an address where nothing listens is said so", async () => {
  const placer = slurmPlacer({ address: `unix:${cluster.folder}/none`, folder: cluster.folder });
  const error = await failure(Scope.run((scope) => placer.place([wanted("a", SLEEPS)], scope)));
  expect(error.code).toBe("SCHEDULER_UNREACHABLE");
  expect(error.message).toContain(`slurmrestd at unix:${cluster.folder}/none`);
});

test("the words of a command reach the program as they are", async () => {
  const odd = ["a b", "it's", '"$HOME"', "*", "", "line\nbreak"];
  await Scope.run(async (scope) => {
    const one = wanted("odd", ["printf", "<%s>", ...odd]);
    const { placements } = await BY_REST().place([one], scope);
    await placements[0]?.ended;
  });
  const file = readdirSync(cluster.folder).find((name) => name.startsWith("odd-")) ?? "";
  const written = readFileSync(join(cluster.folder, file), "utf8");
  expect(written).toBe(odd.map((word) => `<${word}>`).join(""));
});
