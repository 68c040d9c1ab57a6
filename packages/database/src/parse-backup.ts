import { ModelManagerError } from '@aimm/contracts';
import type * as z from 'zod';
import type { StoredTable } from './backup-columns.ts';
import { BackupEnd, BackupHeader, BackupLine, backupVersion } from './backup-format.ts';
import { type BackupTextLine, splitLines } from './backup-lines.ts';
import { toStorable } from './storable.ts';

export interface ParsedRow {
  line: number;
  table: StoredTable;
  row: Record<string, unknown>;
  /** Characters of its line. */
  size: number;
}

export interface BackupReader {
  tables: readonly StoredTable[];
  /** Migrations that this version knows. */
  migrations: readonly string[];
  onHeader?: (header: BackupHeader) => void;
  /** Told what is wrong with a line, which is then passed over. Without it the first fault ends the reading. */
  onFault?: (fault: string) => void;
}

const cutHint = 'Make it again, or copy it again, to its end.';

/**
 * The rows of a backup, each checked, in the order of the tables, to its end.
 * @throws ModelManagerError `invalid_request` that names the line and what was expected there
 */
export async function* parseBackup(bytes: AsyncIterable<Uint8Array>, reader: BackupReader): AsyncGenerator<ParsedRow> {
  const {
    tables,
    onFault = (fault) => {
      throw new ModelManagerError('invalid_request', fault);
    },
  } = reader;
  const counts = new Map(tables.map(({ name }) => [name, 0]));
  let [last, place, isAtEnd, isFaulty] = [0, 0, false, false];
  for await (const line of splitLines(bytes)) {
    last = line.number;
    const value = parseJson(line);
    if (line.number === 1) {
      const header = parseHeader(value, reader.migrations);
      reader.onHeader?.(header);
      continue;
    }
    if (isAtEnd) throw invalid(`Line ${line.number}: expected nothing behind the end of the backup.`);
    if (typeof value === 'object' && value !== null && 'end' in value) {
      // What a row at fault would have been is not known.
      if (!isFaulty) requireCounts(line, value, counts);
      isAtEnd = true;
      continue;
    }
    const parsed = parseRow(line, value, tables, place);
    if ('fault' in parsed) {
      isFaulty = true;
      onFault(`Line ${line.number}: ${parsed.fault}`);
    } else {
      place = parsed.place;
      const { name } = parsed.row.table;
      counts.set(name, (counts.get(name) ?? 0) + 1);
      yield parsed.row;
    }
  }
  if (last === 0) throw invalid('Line 1: expected the header of a backup; there is nothing.');
  if (!isAtEnd) throw invalid(`The backup ends after line ${last}, without its end: it was cut off.`, cutHint);
}

/** Undefined where the line is no JSON. */
function parseJson({ number, text, isEnded }: BackupTextLine): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Not the parser's own words: they quote what they read.
    if (!isEnded && number > 1)
      throw invalid(`The backup ends in the middle of line ${number}: it was cut off.`, cutHint);
    return undefined;
  }
}

function parseHeader(value: unknown, migrations: readonly string[]): BackupHeader {
  const header = BackupHeader.safeParse(value);
  if (!header.success) {
    throw invalid(`Line 1: ${describe(header.error)}`, 'A backup is what `aimm export` writes.');
  }
  const { version, schema } = header.data;
  if (version > backupVersion) {
    throw invalid(
      `Line 1: expected a backup of version ${backupVersion}, found version ${version}.`,
      'It was made by a newer version of AI Model Manager: update this one first.',
    );
  }
  if (!migrations.includes(schema)) {
    throw invalid(
      `Line 1: the database was at ${JSON.stringify(schema)}, which this version does not know.`,
      'It was made by a newer version of AI Model Manager: update this one first.',
    );
  }
  return header.data;
}

function parseRow(
  { number, text }: BackupTextLine,
  value: unknown,
  tables: readonly StoredTable[],
  place: number,
): { row: ParsedRow; place: number } | { fault: string } {
  if (value === undefined) return { fault: 'expected one JSON object.' };
  const line = BackupLine.safeParse(value);
  if (!line.success) return { fault: `${describe(line.error)}` };
  const index = tables.findIndex(({ name }) => name === line.data.table);
  const table = tables[index];
  if (table === undefined) return { fault: `table: expected one of ${tables.map(({ name }) => name).join(', ')}.` };
  if (index < place) {
    return { fault: `expected no row of ${table.name} behind those of ${tables[place]?.name ?? ''}.` };
  }
  const row = table.Row.safeParse(line.data.row);
  if (!row.success) return { fault: `${table.name}: ${describe(row.error, 'row')}` };
  // What a database may refuse is written as an escape.
  const storable = text.includes('\\u') ? toStorable(row.data) : row.data;
  return { row: { line: number, table, row: storable, size: text.length }, place: index };
}

function requireCounts({ number }: BackupTextLine, value: unknown, found: ReadonlyMap<string, number>): void {
  const end = BackupEnd.safeParse(value);
  if (!end.success) throw invalid(`Line ${number}: ${describe(end.error)}`);
  const names = new Set([...Object.keys(end.data.counts), ...found.keys()]);
  for (const name of names) {
    const [told, there] = [end.data.counts[name] ?? 0, found.get(name) ?? 0];
    if (told === there) continue;
    throw invalid(`Line ${number}: expected ${told} rows of ${name} before the end, found ${there}.`, cutHint);
  }
}

/** What was expected and where; never a value. */
function describe({ issues }: z.ZodError, at?: string): string {
  const told = issues.slice(0, 3).map(({ path, message }) => {
    const where = [...(at === undefined ? [] : [at]), ...path].join('.');
    const what = message.replace(/^Invalid input: /, '');
    return where === '' ? what : `${where}: ${what}`;
  });
  return `${told.join('; ')}.`;
}

function invalid(message: string, hint?: string): ModelManagerError {
  return new ModelManagerError('invalid_request', message, hint === undefined ? {} : { hint });
}
