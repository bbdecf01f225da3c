/** `pangaea audit`: what crossed which border in a run, from its log. */
import { createReadStream, existsSync, readdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { PangaeaError } from "../../core/errors.ts";
import type { RunEvent } from "../../core/events.ts";
import { type Audit, type Crossing, Ledger, violations } from "../../run/audit.ts";
import { auditSentences } from "../../run/audit-text.ts";
import { bytes } from "../../run/format.ts";
import { EXIT } from "../exit.ts";
import type { Io } from "../io.ts";
import type { CommonOptions } from "../options.ts";
import { type Column, layout } from "../terminal/columns.ts";
import { paint } from "../terminal/paint.ts";

/** @returns 5 where records crossed against the policy. @throws PangaeaError MISSING_RUN. */
export async function auditCommand(
  folder: string,
  options: CommonOptions,
  io: Io,
): Promise<number> {
  const audit = await readAudit(folder, io);
  const sentences = auditSentences(audit);
  const against = violations(audit);
  if (options.json) {
    io.out(`${JSON.stringify({ ...audit, conclusion: sentences, violations: against })}\n`);
  } else {
    const [first = "", ...rest] = sentences;
    const lines = [paint(io.color).strong(first), ...rest];
    if (audit.crossings.length > 0)
      lines.push("", ...layout(columnsOf(audit.crossings), io.columns()));
    io.out(`${lines.join("\n")}\n`);
  }
  return against.length > 0 ? EXIT.runFailed : EXIT.done;
}

async function readAudit(folder: string, io: Io): Promise<Audit> {
  const path = resolve(io.cwd, folder);
  const log = join(path, "events.ndjson");
  if (!existsSync(log)) throw missing(folder, path);
  const ledger = new Ledger();
  let number = 0;
  for await (const line of createInterface({ input: createReadStream(log) })) {
    number++;
    if (line === "") continue;
    let event: RunEvent;
    try {
      event = JSON.parse(line) as RunEvent;
    } catch {
      io.err(`${log}:${number}: the line is cut off; the audit ends there\n`);
      break;
    }
    ledger.enter(event);
  }
  const audit = ledger.audit();
  if (!audit) throw new PangaeaError("MISSING_RUN", `${log} does not say which run it is of`);
  return audit;
}

function missing(folder: string, path: string): PangaeaError {
  const rows = existsSync(path)
    ? readdirSync(path).filter((row) => existsSync(join(path, row, "events.ndjson")))
    : [];
  return new PangaeaError("MISSING_RUN", `${folder} is not the folder of a run`, {
    fix:
      rows.length > 0
        ? `it is a comparison: name one of its rows, such as ${join(folder, rows[0]!)}`
        : "name a folder with events.ndjson, such as runs/<name>-1",
  });
}

function columnsOf(crossings: readonly Crossing[]): readonly Column[] {
  const column = (
    head: string,
    cell: (crossing: Crossing) => string,
    more: Partial<Column> = {},
  ): Column => ({ head, cells: crossings.map(cell), ...more });
  const left = { align: "left" } as const;
  return [
    column("from", ({ from }) => from, left),
    column("to", ({ to }) => to, left),
    column("kind", ({ kind }) => kind, left),
    column("carries", ({ carries }) => carries ?? "not said", left),
    column("messages", ({ messages }) => String(messages)),
    column("bytes", (crossing) => bytes(crossing.bytes)),
    column("refused", ({ refused }) => (refused === 0 ? "" : String(refused))),
    column("records", ({ policy }) => policy.records, { ...left, rank: 1 }),
    column("by", ({ policy }) => policy.path, { ...left, rank: 2 }),
  ];
}
