/**
 * Shows runs as they go: a picture redrawn in place on a terminal, plain lines elsewhere, nothing with
 * --json. Redraws at most ten times a second; drawing is driven by events, never by a timer.
 */
import { bytes, seconds } from "../../run/format.ts";
import type { CompareRow } from "../../run/rows.ts";
import type { StreamsView } from "../../run/stream-view.ts";
import type { RunView } from "../../run/view.ts";
import type { Io } from "../io.ts";
import { liveLines, qualityText } from "./live.ts";
import { type Paint, paint } from "./paint.ts";
import { streamFacts, streamRowText } from "./streams.ts";

export interface Display {
  /** A run begins. */
  begin(title: string, view: RunView): void;
  /** The view has changed. */
  changed(): void;
  ended(row: CompareRow): void;
  /** Something to read now, whatever is on screen. */
  say(text: string): void;
  close(): void;
}

export async function createDisplay(io: Io, quiet: boolean): Promise<Display> {
  if (quiet) return silent(io);
  if (!io.terminal) return new PlainDisplay(io);
  const { createLogUpdate } = await import("log-update");
  const stream = {
    write: (text: string) => {
      io.err(text);
      return true;
    },
    isTTY: true,
    get columns() {
      return io.columns();
    },
    get rows() {
      return io.rows();
    },
  };
  return new LiveDisplay(io, createLogUpdate(stream as unknown as NodeJS.WritableStream));
}

const silent = (io: Io): Display => ({
  begin: () => {},
  changed: () => {},
  ended: () => {},
  say: (text) => io.err(`${text}\n`),
  close: () => {},
});

const REDRAW_MS = 100;

interface LogUpdate {
  (...text: string[]): void;
  clear(): void;
  done(): void;
}

class LiveDisplay implements Display {
  readonly #io: Io;
  readonly #update: LogUpdate;
  readonly #paint: Paint;
  readonly #finished: CompareRow[] = [];
  #title = "";
  #view: RunView | undefined;
  #drawnAt = Number.NEGATIVE_INFINITY;

  constructor(io: Io, update: LogUpdate) {
    this.#io = io;
    this.#update = update;
    this.#paint = paint(io.color);
  }

  begin(title: string, view: RunView): void {
    this.#title = title;
    this.#view = view;
    this.#draw();
  }

  changed(): void {
    if (this.#io.now() - this.#drawnAt >= REDRAW_MS) this.#draw();
  }

  ended(row: CompareRow): void {
    this.#finished.push(row);
    this.#draw();
    this.#view = undefined;
  }

  say(text: string): void {
    this.#update.clear();
    this.#io.err(`${text}\n`);
    this.#draw();
  }

  close(): void {
    this.#update.clear();
    this.#update.done();
  }

  #draw(): void {
    if (!this.#view) return;
    this.#drawnAt = this.#io.now();
    const frame = {
      title: this.#title,
      view: this.#view,
      finished: this.#finished,
      width: Math.max(40, this.#io.columns() - 1),
      height: this.#io.rows(),
    };
    this.#update(liveLines(frame, this.#paint).join("\n"));
  }
}

/** Wall-clock time between two lines of one run. */
const LINE_MS = 1000;

class PlainDisplay implements Display {
  readonly #io: Io;
  #title = "";
  #view: RunView | undefined;
  #judged = 0;
  #saidAt = Number.NEGATIVE_INFINITY;

  constructor(io: Io) {
    this.#io = io;
  }

  begin(title: string, view: RunView): void {
    this.#title = title;
    this.#view = view;
    this.#judged = 0;
    this.#saidAt = Number.NEGATIVE_INFINITY;
    this.#io.err(`${title}: started\n`);
  }

  changed(): void {
    const view = this.#view;
    if (view?.streams) this.#streams(view, view.streams);
    if (!view || view.evaluations.length === this.#judged) return;
    if (this.#io.now() - this.#saidAt < LINE_MS) return;
    this.#judged = view.evaluations.length;
    this.#saidAt = this.#io.now();
    const last = view.evaluations.at(-1);
    if (!last) return;
    const facts = `clock ${last.clock}, ${qualityText(last)}, WAN ${bytes(last.wanBytes)}`;
    this.#io.err(`${this.#title}: ${seconds(last.seconds)}, ${facts}\n`);
  }

  #streams(view: RunView, streams: StreamsView): void {
    if (this.#io.now() - this.#saidAt < LINE_MS) return;
    this.#saidAt = this.#io.now();
    this.#io.err(`${this.#title}: ${seconds(view.seconds)}, ${streamFacts(view, streams)}\n`);
  }

  ended(row: CompareRow): void {
    const reached = row.reachedTarget === null ? row.end : row.reachedTarget ? "reached" : row.end;
    const quality =
      streamRowText(row) ??
      (row.final.loss === null
        ? "not judged"
        : qualityText({
            rmse: undefined,
            accuracy: undefined,
            ...row.final,
            loss: row.final.loss,
          }));
    const target =
      row.reachedTarget === null ? "" : row.reachedTarget ? "target " : "target not reached, ";
    this.#io.err(
      `${this.#title}: ended after ${seconds(row.seconds)}, ${quality}, ${target}${reached}\n`,
    );
    this.#view = undefined;
  }

  say(text: string): void {
    this.#io.err(`${text}\n`);
  }

  close(): void {}
}
