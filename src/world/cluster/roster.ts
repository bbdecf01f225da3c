/** The agents that there are, and which of them a run takes: its nodes are dealt over the agents of their sites. */
import { CancelledError, TimeoutError } from "../../core/errors.ts";
import type { NodeId } from "../../core/ids.ts";
import type { Micros } from "../../core/units.ts";
import type { Bus } from "../bus/contract.ts";
import {
  type Member,
  type MemberEvent,
  type MemberView,
  openMembers,
  watchMembers,
} from "../bus/membership.ts";
import type { Timers } from "../bus/timers.ts";
import type { NodeInfo } from "../contract.ts";

/** What an agent can be asked to run: workers, or whatever holds parameters. */
export const DUTIES = ["worker", "server"] as const;
export type Duty = (typeof DUTIES)[number];

export const dutyOf = ({ role }: Pick<NodeInfo, "role">): Duty =>
  role === "worker" ? "worker" : "server";

/** Roles of a member, which stand in one word: "worker,server". */
export const rolesOf = ({ role }: Member): readonly string[] => role.split(",");
/** Of the agent's present life. */
export const lifeOf = ({ resources }: Member): string => String(resources["life"] ?? "");

/** The agents of a run in the order of its hosts, and the host of each node. */
export interface Crew {
  readonly agents: readonly Member[];
  readonly hostOf: Readonly<Record<NodeId, number>>;
}

export interface Wanted {
  readonly nodes: readonly NodeInfo[];
  /** Of the program. */
  readonly version: string;
  /** Labels that agents must bear. */
  readonly labels: Readonly<Record<string, string | number>>;
  /** So many agents of a site share its nodes of a duty, if there are so many nodes. Default 1. */
  readonly least?: number | undefined;
  /** What each agent must have at least, as it says: cores, memoryBytes. */
  readonly capacity?: Readonly<Record<string, number | undefined>> | undefined;
}

/** One line for each site and duty that nobody serves. */
export type Lacking = readonly string[];

/** Deals each site's nodes of a duty over its agents for that duty, in the order of ids. */
export function dealNodes(wanted: Wanted, members: readonly Member[]): Crew | Lacking {
  const { nodes, least = 1 } = wanted;
  const fitting = members.filter((member) => shortcomings(wanted, member).length === 0);
  const lacking: string[] = [];
  const agentOf = new Map<NodeId, Member>();
  const sites = [...new Set(nodes.map(({ site }) => site))];
  for (const site of sites) {
    for (const duty of DUTIES) {
      const own = nodes.filter((node) => node.site === site && dutyOf(node) === duty);
      const here = fitting.filter((m) => m.site === site && rolesOf(m).includes(duty));
      const enough = Math.min(least, own.length);
      const count = enough > 1 ? `, ${here.length} of ${enough}` : "";
      if (here.length < enough) lacking.push(`${site} (${duty}${count})`);
      own.forEach((node, index) => {
        const agent = here[index % here.length];
        if (agent) agentOf.set(node.id, agent);
      });
    }
  }
  if (lacking.length > 0) return lacking;
  const agents = [...new Set(nodes.flatMap(({ id }) => agentOf.get(id) ?? []))];
  const hostOf = Object.fromEntries(
    nodes.map(({ id }) => [id, agents.indexOf(agentOf.get(id) as Member)]),
  );
  return { agents, hostOf };
}

/** In what an agent is not as the run wants it. */
function shortcomings(wanted: Wanted, { version, resources }: Member): readonly string[] {
  const { labels, capacity = {} } = wanted;
  return [
    ...(version === wanted.version ? [] : [`version ${version}`]),
    ...Object.entries(labels).flatMap(([label, value]) =>
      resources[label] === value ? [] : [`${label} is not ${value}`],
    ),
    ...Object.entries(capacity).flatMap(([what, most]) =>
      most === undefined || Number(resources[what] ?? 0) >= most
        ? []
        : [`${what} ${resources[what] ?? 0} of ${most}`],
    ),
  ];
}

export class Roster {
  readonly #timers: Timers;
  readonly #listeners = new Set<(event: MemberEvent) => void>();
  #view: MemberView | undefined;

  private constructor(timers: Timers) {
    this.#timers = timers;
  }

  static async open(bus: Bus, timers: Timers, domain: string | undefined): Promise<Roster> {
    const roster = new Roster(timers);
    const notify = (event: MemberEvent): void => {
      for (const listener of [...roster.#listeners]) listener(event);
    };
    roster.#view = await watchMembers(await openMembers(bus, domain), { timers, notify });
    return roster;
  }

  members(): readonly Member[] {
    return this.#view?.members() ?? [];
  }

  suspected(id: string): boolean {
    return this.#view?.suspected(id) ?? false;
  }

  /** The answer ends it. */
  listen(listener: (event: MemberEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  close(): void {
    this.#view?.close();
    this.#listeners.clear();
  }

  /**
   * Waits until the agents that a run needs are there and have let themselves be reserved.
   * @param reserve answers why an agent does not take the run, or nothing.
   * @param tell hears for whom it waits, and what there is.
   * @throws TimeoutError that says the same.
   */
  async muster(
    wanted: Wanted,
    reserve: (agent: Member) => Promise<string | undefined>,
    release: (agent: Member) => void,
    options: {
      readonly deadline: Micros;
      readonly signal: AbortSignal;
      readonly tell: (text: string) => void;
    },
  ): Promise<Crew> {
    const late = this.#timers.now() + options.deadline;
    let text = "";
    while (this.#timers.now() < late && !options.signal.aborted) {
      const refused = new Map<string, string>();
      let found = dealNodes(wanted, this.members());
      // Those that refuse are left out, and the nodes dealt anew over the others.
      while (isCrew(found)) {
        const crew: Crew = found;
        const answers = await Promise.all(crew.agents.map(reserve));
        if (answers.every((why) => why === undefined)) return crew;
        crew.agents.forEach((agent, index) => {
          const why = answers[index];
          if (why === undefined) release(agent);
          else refused.set(agent.id, why);
        });
        found = dealNodes(
          wanted,
          this.members().filter(({ id }) => !refused.has(id)),
        );
      }
      const now = this.#waiting(found, refused, wanted);
      if (now !== text) options.tell(now);
      text = now;
      await this.#change();
    }
    if (options.signal.aborted) throw new CancelledError("interrupted while it waited for agents");
    throw new TimeoutError(`${Math.round(options.deadline / 1e6)} s are over: ${text}`);
  }

  #waiting(lacking: Lacking, refused: ReadonlyMap<string, string>, wanted: Wanted): string {
    const others = this.members().map((member) => {
      const why = refused.get(member.id);
      const facts = [member.role, ...shortcomings(wanted, member)].join(", ");
      return `${member.id} at ${member.site} (${facts}${why ? `; ${why}` : ""})`;
    });
    const there = others.length === 0 ? "no agents are there" : `there are ${others.join(", ")}`;
    return `waiting for agents at ${lacking.join(", ")}; ${there}`;
  }

  /** A member came or went; or a second has passed, since who was busy may be free. */
  #change(): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        stop();
        forget();
        resolve();
      };
      const stop = this.#timers.after(1_000_000, done);
      const forget = this.listen(done);
    });
  }
}

export const isCrew = (found: Crew | Lacking): found is Crew => "agents" in found;
