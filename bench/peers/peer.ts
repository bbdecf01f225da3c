/**
 * Another framework as a child process that trains on request: a line `{"subject", "steps"}` in, a line
 * `{"steps"}` or `{"error"}` out, after a first line `{"name"}` that says version and threads.
 */
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

type Answer = { readonly name?: string; readonly steps?: number; readonly error?: string };

export interface Peer {
  readonly name: string;
  train(subject: string, steps: number): Promise<number>;
  close(): void;
}

/** The peer, or why it does not take part. */
export async function startPeer(
  command: string,
  script: string,
  environment: Readonly<Record<string, string>> = {},
): Promise<Peer | string> {
  const path = fileURLToPath(new URL(script, import.meta.url));
  const child = spawn(command, [path], {
    env: { ...process.env, ...environment, OMP_NUM_THREADS: "1", MKL_NUM_THREADS: "1" },
    stdio: ["pipe", "pipe", "pipe"],
  });
  const answers = answersOf(child);
  const first = await answers();
  if (first.name === undefined) return first.error ?? "it does not answer";
  return {
    name: first.name,
    async train(subject, steps) {
      child.stdin.write(`${JSON.stringify({ subject, steps })}\n`);
      const answer = await answers();
      if (answer.steps === undefined) throw new Error(`${first.name}, ${subject}: ${answer.error}`);
      return answer.steps;
    },
    close: () => child.stdin.end(),
  };
}

/** Reads one answer; an ended child answers with the last lines of its standard error. */
function answersOf(child: ChildProcessWithoutNullStreams): () => Promise<Answer> {
  let said = "";
  child.stderr.on("data", (chunk: Buffer) => {
    said = `${said}${chunk}`.slice(-400);
  });
  const failed = new Promise<Answer>((resolve) => {
    child.on("error", ({ message }) => resolve({ error: message }));
    child.on("close", () => resolve({ error: said.trim().split("\n").at(-1) || "it ended" }));
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const line = async (): Promise<Answer> => {
    const { value, done } = await lines.next();
    return done ? failed : (JSON.parse(value as string) as Answer);
  };
  return () => Promise.race([line(), failed]);
}
