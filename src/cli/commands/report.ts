/** `pangaea report`: the report of a finished run anew, from its log and specification alone. */
import { createReadStream, existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { PangaeaError } from "../../core/errors.ts";
import type { RunEvent } from "../../core/events.ts";
import { conclusion, placeText } from "../../run/conclusion.ts";
import type { SpecFile } from "../../run/files.ts";
import { type ReportRun, reportPage } from "../../run/report/page.ts";
import { type CompareRow, compareRow, mergeSeeds, targetOf } from "../../run/rows.ts";
import { applyEvent, emptyView, type RunView } from "../../run/view.ts";
import { EXIT } from "../exit.ts";
import { writeWhole } from "../folders.ts";
import type { Io } from "../io.ts";
import type { CommonOptions } from "../options.ts";
import { paint } from "../terminal/paint.ts";
import { summaryLines } from "../terminal/summary.ts";

interface RowsFile {
  readonly name: string;
  readonly folders: readonly (readonly string[])[];
}

export async function reportCommand(
  folder: string,
  options: CommonOptions,
  io: Io,
): Promise<number> {
  const path = resolve(io.cwd, folder);
  const comparison = existsSync(join(path, "rows.json"));
  if (!comparison && !existsSync(join(path, "events.ndjson"))) {
    throw new PangaeaError("MISSING_RUN", `${folder} is not the folder of a run`, {
      fix: "name a folder with events.ndjson or rows.json, such as runs/<name>-1",
    });
  }
  const list: RowsFile = comparison
    ? (JSON.parse(await readFile(join(path, "rows.json"), "utf8")) as RowsFile)
    : { name: "", folders: [[""]] };
  const runs: ReportRun[] = [];
  const rows: CompareRow[] = [];
  let spec: SpecFile["spec"] | undefined;
  for (const group of list.folders) {
    const read = await Promise.all(group.map((one) => readRun(join(path, one), io)));
    const own = read.map((one) => compareRow(one.view, one.file.spec, one.file.name));
    const first = read[0];
    if (!first) continue;
    spec ??= first.file.spec;
    runs.push({ row: own[0]!, view: first.view, origins: first.file.origins });
    rows.push(mergeSeeds(own));
  }
  if (!spec) throw new PangaeaError("MISSING_RUN", `${folder} has no run in it`);
  const target = targetOf(spec);
  const title = list.name || spec.name;
  const place = placeText(runs[0]?.view.sites.size ?? 0, spec.sites.preset);
  const text = conclusion(rows, target, place);
  const content = reportPage({ title, conclusion: text, target, runs, rows });
  writeWhole(path, { path: "report.html", content });
  const report = join(folder, "report.html");
  if (options.json) {
    io.out(`${JSON.stringify({ target, rows, conclusion: text, out: folder, report })}\n`);
  } else {
    io.out(
      `${summaryLines(rows, io.columns(), paint(io.color)).join("\n")}\n\nreport  ${report}\n`,
    );
  }
  return EXIT.done;
}

async function readRun(
  folder: string,
  io: Io,
): Promise<{ readonly file: SpecFile; readonly view: RunView }> {
  const file = JSON.parse(await readFile(join(folder, "spec.json"), "utf8")) as SpecFile;
  const view = emptyView();
  const log = join(folder, "events.ndjson");
  let number = 0;
  for await (const line of createInterface({ input: createReadStream(log) })) {
    number++;
    if (line === "") continue;
    let event: RunEvent;
    try {
      event = JSON.parse(line) as RunEvent;
    } catch {
      io.err(`${log}:${number}: the line is cut off; the report ends there\n`);
      break;
    }
    applyEvent(view, event);
  }
  return { file, view };
}
