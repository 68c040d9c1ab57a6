import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import Sqlite from 'better-sqlite3';

/** What a shell may ask values of. */
export const valueKinds = ['models', 'providers', 'conversations', 'jobs'] as const;
export type ValueKind = (typeof valueKinds)[number];

export interface ValuePlaces {
  /** Default: the checkout's `config/`. */
  configDir?: string | undefined;
  /** The stack's SQLite file; nothing is read from other databases. */
  databaseFile?: string | undefined;
}

const defaultConfigDir = fileURLToPath(new URL('../../../../config', import.meta.url));
const most = 100;

/**
 * Values that begin so, for a TAB: from files alone, and without the packages that read them for work, which take longer to
 * load than a TAB may last. What cannot be read gives none.
 */
export function findValues(kind: ValueKind, begun: string, places: ValuePlaces): string[] {
  // `a,b` is a list: its last name is completed.
  const isList = kind === 'models' && begun.includes(',');
  const done = isList ? begun.slice(0, begun.lastIndexOf(',') + 1) : '';
  const taken = new Set(done.split(','));
  const wanted = begun.slice(done.length);
  const values = readValues(kind, places).filter((value) => value.startsWith(wanted) && !taken.has(value));
  return [...new Set(values)].slice(0, most).map((value) => done + value);
}

function readValues(kind: ValueKind, places: ValuePlaces): string[] {
  switch (kind) {
    case 'models':
      return [
        // What `aimm preferences list` calls built in.
        'auto',
        'fast',
        'smart',
        'code',
        ...readColumn(places, 'SELECT DISTINCT name FROM model_preferences ORDER BY name'),
        ...readEntries(places, 'models').map(({ provider, id }) => `${provider}/${id}`),
      ];
    case 'providers':
      return readEntries(places, 'providers').map(({ id }) => id);
    case 'conversations':
      return readColumn(places, `SELECT id FROM conversations ORDER BY updated_at DESC LIMIT ${most}`);
    case 'jobs':
      return readColumn(places, `SELECT id FROM batches WHERE status <> 'preparing' ORDER BY id DESC LIMIT ${most}`);
  }
}

function readEntries({ configDir = defaultConfigDir }: ValuePlaces, name: 'models' | 'providers'): Entry[] {
  try {
    const file: unknown = JSON.parse(readFileSync(join(configDir, `${name}.json`), 'utf8'));
    const list: unknown = isRecord(file) ? file[name] : undefined;
    return Array.isArray(list) ? list.flatMap(toEntry) : [];
  } catch {
    return []; // Whoever uses the file says what is wrong with it.
  }
}

interface Entry {
  id: string;
  provider: string;
}

function toEntry(value: unknown): Entry[] {
  if (!isRecord(value) || typeof value['id'] !== 'string') return [];
  return [{ id: value['id'], provider: typeof value['provider'] === 'string' ? value['provider'] : '' }];
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

function readColumn({ databaseFile }: ValuePlaces, query: string): string[] {
  if (databaseFile === undefined) return [];
  try {
    const file = new Sqlite(databaseFile, { readonly: true, fileMustExist: true, timeout: 20 });
    try {
      return file.prepare<[], string>(query).pluck().all();
    } finally {
      file.close();
    }
  } catch {
    return []; // There is none yet, it is busy, or it has no such table.
  }
}
