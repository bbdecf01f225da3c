/** Processes of this machine: how they start, end and never outlive who placed them. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { expect, test } from "vitest";
import { Scope } from "../../src/core/scope.ts";
import { MILLISECOND } from "../../src/core/units.ts";
import { processesPlacer } from "../../src/world/cluster/place/processes.ts";
import { alive, child, failure, script, wanted } from "./place-fixtures.ts";

/** A placer, and a promise of each line that its processes will write. */
function listening(stopDeadline = 10_000 * MILLISECOND) {
  const seen: string[] = [];
  const waiting: (() => void)[] = [];
  const placer = processesPlacer({
    stopDeadline,
    output: (name, line) => {
      seen.push(`${name}: ${line}`);
      for (const look of waiting) look();
    },
  });
  const said = (what: RegExp): Promise<string> =>
    new Promise((resolve) => {
      const look = (): void => {
        const line = seen.find((text) => what.test(text));
        if (line !== undefined) resolve(line);
      };
      waiting.push(look);
      look();
    });
  return { placer, said };
}

test("an orderly end: SIGTERM, the last words are heard", async () => {
  const { placer, said } = listening();
  await Scope.run(async (scope) => {
    const placed = await placer.place([wanted("a", child("waits"))], scope);
    await said(/a: waits/);
    await placed.cancel();
    await placed.cancel();
    expect(await placed.placements[0]?.ended).toEqual({
      how: "exit code 0",
      lastLines: [expect.stringMatching(/^waits \d+$/), "told to end"],
    });
  });
});

test("who does not end by its deadline is killed", async () => {
  const { placer, said } = listening(50 * MILLISECOND);
  await Scope.run(async (scope) => {
    const placed = await placer.place([wanted("a", child("deaf"))], scope);
    await said(/a: deaf/);
    await placed.cancel();
    expect((await placed.placements[0]?.ended)?.how).toBe("signal SIGKILL");
  });
});

test("one that fails says how, with its last lines; the others go on", async () => {
  const { placer, said } = listening();
  await Scope.run(async (scope) => {
    const both = [wanted("a", child("fails")), wanted("b", child("waits"))];
    const { placements } = await placer.place(both, scope);
    expect(placements.map(({ name }) => name)).toEqual(["a", "b"]);
    const end = await placements[0]?.ended;
    expect(end?.how).toBe("exit code 3");
    expect([...(end?.lastLines ?? [])].sort()).toEqual(["a has no data", "first line"]);
    const pid = Number((await said(/b: waits/)).split(" ").at(-1));
    expect(placements[1]?.where).toBe(`process ${pid}`);
    expect(alive(pid)).toBe(true);
  });
});

test("all or none: where one cannot be started, none is left", async () => {
  const { placer, said } = listening();
  await Scope.run(async (scope) => {
    const both = [wanted("a", child("waits")), wanted("b", ["no-such-program"])];
    const error = await failure(placer.place(both, scope));
    expect(error.code).toBe("PLACEMENT_FAILED");
    expect(error.message).toContain("b could not be started");
    expect(error.fix).toContain("no-such-program");
  });
  // It may have been ended before it spoke; if it spoke, it is gone.
  const pid = await Promise.race([said(/a: waits/), Promise.resolve("0 0")]);
  expect(pid === "0 0" || !alive(Number(pid.split(" ").at(-1)))).toBe(true);
});

test("leaving the scope ends them, and waits for it", async () => {
  const { placer, said } = listening();
  const pid = await Scope.run(async (scope) => {
    await placer.place([wanted("a", child("waits"))], scope);
    return Number((await said(/a: waits/)).split(" ").at(-1));
  });
  expect(alive(pid)).toBe(false);
});

test("no orphan is left when the coordinator is killed -9", async () => {
  // The child joins, and is gone when its connection ends.
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { readonly port: number };
  const joined = once(server, "connection");
  const [program = "", ...args] = script("./place-victim.ts");
  const env = { ...process.env, PLACED_JOINS: String(port) };
  const coordinator = spawn(program, args, { env, stdio: "ignore" });
  const [socket] = (await joined) as [Socket];
  const gone = once(socket.on("error", () => {}).resume(), "close");
  coordinator.kill("SIGKILL");
  await gone;
  server.close();
});
