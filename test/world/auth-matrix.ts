/**
 * The authentication matrix: every route x every attack. A route says for each attack either how it is tried and with
 * which code it is refused, or why it does not apply; the type asks for all of them. Each cell asserts the code and that
 * the state behind the route is what it was; in the end nothing that was shown of any cell holds a secret.
 */
import { inspect } from "node:util";
import { describe, expect, test } from "vitest";
import { codeOf } from "./bus-contract.ts";

export const ATTACKS = [
  "no key",
  "wrong key",
  "expired",
  "revoked",
  "replayed",
  "other run",
  "wrong role",
  "tampered",
] as const;
export type Attack = (typeof ATTACKS)[number];

/** Tried once; rejects with a typed error. */
export interface Trial {
  /** Several trials of a cell differ by it. */
  readonly by?: string;
  readonly code: string;
  attempt(): Promise<unknown>;
}

/** One or several trials, or the reason why there can be none. */
export type Cell = Trial | readonly Trial[] | string;

export interface Route {
  readonly name: string;
  readonly cells: Readonly<Record<Attack, Cell>>;
  /** What no attack may change; compared as values. */
  state(): Promise<unknown>;
}

const trialsOf = (cell: Cell): readonly Trial[] =>
  typeof cell === "string" ? [] : "attempt" in cell ? [cell] : cell;

/** Everything that an error shows, its causes and stacks included. */
export function shown(error: unknown): string {
  const parts: string[] = [];
  for (let e = error; e !== undefined && e !== null; e = e instanceof Error ? e.cause : undefined)
    parts.push(e instanceof Error ? `${e.message}\n${e.stack}` : "", inspect(e, { depth: 5 }));
  return parts.join("\n");
}

export interface Secrets {
  /** Seeds, tokens and private keys of all cells. */
  readonly secrets: () => readonly string[];
  /** What logs, notices and events have said beside the errors of the cells. */
  readonly said: () => readonly string[] | Promise<readonly string[]>;
}

/** Makes the tests of the routes; the names count the cells. */
export function testMatrix(
  name: string,
  routes: readonly Route[],
  { secrets, said }: Secrets,
): void {
  const cells = routes.flatMap((route) =>
    ATTACKS.map((attack) => ({ route, attack, cell: route.cells[attack] })),
  );
  const without = cells.filter(({ cell }) => typeof cell === "string");
  const trials = cells.flatMap(({ route, attack, cell }) =>
    trialsOf(cell).map((trial) => ({ route, attack, trial })),
  );
  const errors: string[] = [];
  const count = `${cells.length - without.length} cells in ${trials.length} trials`;
  describe(`${name}: ${count} refused, ${without.length} do not apply`, () => {
    test.each(
      trials.map(({ route, attack, trial }) => {
        const title = [route.name, attack, trial.by].filter(Boolean).join(", ");
        return [title, trial.code, { route, trial }] as const;
      }),
    )("%s: %s", async (_title, _code, { route, trial }) => {
      const before = await route.state();
      let failure: unknown;
      const code = await codeOf(
        trial.attempt().catch((error: unknown) => {
          failure = error;
          throw error;
        }),
      );
      errors.push(shown(failure));
      expect(code).toBe(trial.code);
      expect(await route.state()).toEqual(before);
    });

    test.each(without.map(({ route, attack, cell }) => [route.name, attack, cell] as const))(
      "%s, %s does not apply: %s",
      (_route, _attack, why) => expect(String(why).length).toBeGreaterThan(10),
    );

    test("no secret stands in an error, a log or an event", async () => {
      const texts = [...errors, ...(await said())];
      const known = secrets();
      expect(known.length).toBeGreaterThan(0);
      expect(errors.length).toBe(trials.length);
      for (const secret of known) {
        expect(secret.length).toBeGreaterThan(15);
        for (const text of texts) expect(text.includes(secret), text).toBe(false);
      }
    });
  });
}
