/** Text files as records with their place: CSV (csv-parse does the quoting) and plain lines; numbers. */
import { CsvError, type Parser, parse } from "csv-parse";
import { type ByteSource, badData, chunksOf } from "./bytes.ts";

/** Where a record begins: line from 1, byte from 0. */
export interface Place {
  readonly file: string;
  readonly line: number;
  readonly offset: number;
}

export interface CsvRecord {
  readonly fields: readonly string[];
  readonly place: Place;
}

/** Records of a CSV file, header included, fields trimmed. Every record has as many fields as the first. */
export async function* csvRecords(
  source: ByteSource,
  file: string,
  delimiter: string,
): AsyncGenerator<CsvRecord> {
  const parser = parse({
    bom: true,
    delimiter,
    info: true,
    relax_column_count: true,
    skip_empty_lines: true,
    trim: true,
  });
  // A failure destroys the parser: thrown below.
  feed(source, parser).catch((error: Error) => parser.destroy(error));
  let offset = 0;
  let line = 1;
  let width: number | undefined;
  try {
    for await (const { record, info } of parser as AsyncIterable<{
      record: string[];
      info: { bytes: number; lines: number };
    }>) {
      const place: Place = { file, line, offset };
      width ??= record.length;
      if (record.length !== width)
        throw badData({
          ...place,
          message: `has ${record.length} columns instead of ${width}`,
        });
      yield { fields: record, place };
      offset = info.bytes;
      line = info.lines + 1;
    }
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    const at = error as CsvError & { readonly lines: number; readonly bytes_records: number };
    throw badData({ file, line: at.lines, offset: at.bytes_records, message: error.message });
  }
}

/** Gives the parser the text, as fast as its records are taken. */
async function feed(source: ByteSource, parser: Parser): Promise<void> {
  for await (const chunk of chunksOf(source)) {
    if (parser.destroyed) return;
    if (parser.write(chunk)) continue;
    await new Promise<void>((resolve) => {
      parser.once("drain", resolve).once("close", resolve);
    });
  }
  parser.end();
}

export interface TextLine {
  readonly text: string;
  readonly place: Place;
}

/** Lines of a UTF-8 text, ended by LF or CR LF. */
export async function* linesOf(source: ByteSource, file: string): AsyncGenerator<TextLine> {
  const decoder = new TextDecoder();
  let rest = new Uint8Array(0);
  let offset = 0;
  let line = 1;
  const make = (bytes: Uint8Array): TextLine => ({
    text: decoder.decode(bytes).replace(/\r$/, ""),
    place: { file, line, offset },
  });
  for await (const chunk of chunksOf(source)) {
    const bytes = new Uint8Array(rest.length + chunk.length);
    bytes.set(rest);
    bytes.set(chunk, rest.length);
    let start = 0;
    for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10, start)) {
      yield make(bytes.subarray(start, end));
      line++;
      offset += end + 1 - start;
      start = end + 1;
    }
    rest = bytes.subarray(start);
  }
  if (rest.length > 0) yield make(rest);
}

const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/;

/** A finite decimal number that float32 can hold, or undefined. */
export function parseNumber(text: string): number | undefined {
  if (!NUMBER.test(text)) return undefined;
  const value = Number(text);
  return Number.isFinite(Math.fround(value)) ? value : undefined;
}
