import type { UsageQuery } from '@aimm/contracts';
import { createDatabase, type Database } from '@aimm/database';
import { createDatabasePlace, type DatabaseKind } from './database-place.ts';
import { percentile } from './load.ts';
import { createUsageRows } from './usage-rows.ts';

/** How long reports over 30 days of a large ledger take. */
export interface UsageFigures {
  database: string;
  rows: number;
  /** Seconds for writing the rows and for rolling them up, each in batches. */
  recordS: number;
  rollUpS: number;
  reports: { name: string; p50: number; p95: number }[];
}

const dayMs = 86_400_000;
const to = Date.UTC(2026, 10, 22, 10, 7, 13);
const from = to - 30 * dayMs;
const times = 15;

const reports: Record<string, Omit<UsageQuery, 'from' | 'to'>> = {
  'in all': {},
  provider: { groupBy: 'provider' },
  model: { groupBy: 'model' },
  client: { groupBy: 'client' },
  tag: { groupBy: 'tag' },
  'day, UTC': { groupBy: 'day' },
  'day, Berlin': { groupBy: 'day', timeZone: 'Europe/Berlin' },
  'day, Kathmandu': { groupBy: 'day', timeZone: 'Asia/Kathmandu' },
  'model of a client': { groupBy: 'model', client: 'local' },
  'day, Kathmandu, of a tag': { groupBy: 'day', timeZone: 'Asia/Kathmandu', tag: 'eval' },
};

async function measureUsage(database: Database, rows: number): Promise<UsageFigures> {
  const recordS = await inSeconds(async () => {
    let batch = [];
    // A little more than the span, so that its ends cut.
    for (const row of createUsageRows(rows, { from: from - dayMs / 24, to: to + dayMs / 24 })) {
      batch.push(row);
      if (batch.length < 2_000) continue;
      await database.ledger.record(batch);
      batch = [];
    }
    await database.ledger.record(batch);
  });
  const rollUpS = await inSeconds(async () => {
    while ((await database.ledger.rollUp({ limit: 2_000, unknownBefore: 0 })) > 0);
  });
  const figures: UsageFigures['reports'] = [];
  for (const [name, query] of Object.entries(reports)) {
    const took: number[] = [];
    for (let time = 0; time < times; time += 1) {
      took.push((await inSeconds(() => database.ledger.summarize({ from, to, ...query }))) * 1_000);
    }
    took.sort((left, right) => left - right);
    figures.push({ name, p50: percentile(took, 0.5), p95: percentile(took, 0.95) });
  }
  return { database: database.kind, rows, recordS, rollUpS, reports: figures };
}

async function inSeconds(work: () => Promise<unknown>): Promise<number> {
  const at = performance.now();
  await work();
  return (performance.now() - at) / 1_000;
}

/** On a SQLite file, on a PostgreSQL of its own, or on one after the other. */
export async function measureUsageOn(kinds: readonly DatabaseKind[], rows: number): Promise<UsageFigures[]> {
  const figures: UsageFigures[] = [];
  for (const kind of kinds) {
    const place = await createDatabasePlace(kind);
    try {
      const database = await createDatabase({ url: place.url });
      figures.push(await measureUsage(database, rows));
      await database.close();
    } finally {
      await place.end();
    }
  }
  return figures;
}

const reachMs = 500;

export function formatUsage(figures: readonly UsageFigures[]): string {
  return figures
    .map(({ database, rows, recordS, rollUpS, reports: measured }) =>
      [
        `Usage on ${database}: ${rows.toLocaleString('en-US')} rows over 30 days (written in ${recordS.toFixed(0)} s, rolled up in ${rollUpS.toFixed(0)} s); reports in ms, p95 to reach: ${reachMs}`,
        ...measured.map(
          ({ name, p50, p95 }) =>
            `  ${name.padEnd(26)} p50 ${p50.toFixed(0).padStart(5)}  p95 ${p95.toFixed(0).padStart(5)}  ${p95 < reachMs ? 'reached' : 'missed'}`,
        ),
      ].join('\n'),
    )
    .join('\n');
}
