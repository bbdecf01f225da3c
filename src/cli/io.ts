/** What the command line uses of the process, so that tests can stand in for it. */
export interface Io {
  /** Data: tables, JSON. */
  readonly out: (text: string) => void;
  /** Messages: progress, notes, errors. */
  readonly err: (text: string) => void;
  /** Whether messages go to a terminal that may be redrawn. */
  readonly terminal: boolean;
  readonly columns: () => number;
  readonly rows: () => number;
  readonly color: boolean;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** Milliseconds; for the pace of redrawing only. */
  readonly now: () => number;
  /** Calls at every Ctrl-C, until the answer is called. */
  readonly onInterrupt: (handler: () => void) => () => void;
  /** Does this before a second Ctrl-C ends the process, until the answer is called. */
  readonly onForced: (farewell: () => Promise<void>) => () => void;
}

/** What is done before the process is ended by force. */
export class Farewells {
  readonly #open = new Set<() => Promise<void>>();

  get any(): boolean {
    return this.#open.size > 0;
  }

  add(farewell: () => Promise<void>): () => void {
    this.#open.add(farewell);
    return () => {
      this.#open.delete(farewell);
    };
  }

  async say(): Promise<void> {
    await Promise.allSettled([...this.#open].map((farewell) => farewell()));
  }
}

/** The real process. Colour and redrawing only on a terminal, and not against NO_COLOR or TERM=dumb. */
export function processIo(farewells: Farewells): Io {
  const { stdout, stderr, env } = process;
  const dumb = env.TERM === "dumb";
  return {
    out: (text) => {
      stdout.write(text);
    },
    err: (text) => {
      stderr.write(text);
    },
    terminal: stderr.isTTY === true && !dumb && env.CI === undefined,
    // Not a terminal: what a log viewer shows without wrapping.
    columns: () => stderr.columns ?? (Number(process.env.COLUMNS) || 100),
    rows: () => stderr.rows ?? 24,
    color: stderr.isTTY === true && !dumb && !env.NO_COLOR,
    env,
    cwd: process.cwd(),
    now: () => performance.now(),
    onForced: (farewell) => farewells.add(farewell),
    onInterrupt: (handler) => {
      process.on("SIGINT", handler);
      return () => {
        process.off("SIGINT", handler);
      };
    },
  };
}
