import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { UsageGroupBy } from '@aimm/contracts';
import { createDatabase, findDrift, findPendingMigrations, migrateDatabase } from '@aimm/database';
import Sqlite from 'better-sqlite3';
import pg from 'pg';
import { describe, expect, it } from 'vitest';
import { createLedgerRow } from '../support/ledger-rows.ts';
import { createEmptyDatabase, databaseKinds } from '../support/test-databases.ts';
import { addUpByHand } from '../support/usage-by-hand.ts';

const opener = join(import.meta.dirname, '../support/open-database.ts');

/** Runs SQL past our own code. */
async function runSql(url: string, sql: string): Promise<void> {
  if (url.startsWith('file:')) {
    const file = new Sqlite(url.slice('file:'.length));
    file.exec(sql);
    file.close();
    return;
  }
  const client = new pg.Client(url);
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}

describe.each(databaseKinds)('migrations on %s', (kind) => {
  it('make of an empty database exactly what the models say', async () => {
    const url = await createEmptyDatabase(kind);
    expect((await migrateDatabase({ url })).length).toBeGreaterThan(0);
    expect(await findDrift({ url })).toBeUndefined();
  });

  it('are applied once', async () => {
    const url = await createEmptyDatabase(kind);
    await migrateDatabase({ url });
    expect(await migrateDatabase({ url })).toEqual([]);
  });

  it('that are not applied can be asked for, which applies none', async () => {
    const url = await createEmptyDatabase(kind);
    const before = await findPendingMigrations(url);
    expect(before.pending).toHaveLength(before.all);
    expect(await findPendingMigrations(url)).toEqual(before);
    expect(await migrateDatabase({ url })).toEqual(before.pending);
    expect(await findPendingMigrations(url)).toEqual({ pending: [], all: before.all });
    await runSql(url, `DELETE FROM _prisma_migrations WHERE migration_name = '${before.pending.at(-1)}'`);
    expect(await findPendingMigrations(url)).toEqual({ pending: before.pending.slice(-1), all: before.all });
  });

  it('do not hide that somebody changed a table by hand', async () => {
    const url = await createEmptyDatabase(kind);
    await migrateDatabase({ url });
    await runSql(url, 'DROP INDEX usage_stats_started_at_idx');
    expect(await findDrift({ url })).toContain('CREATE INDEX "usage_stats_started_at_idx"');
  });

  it('let four processes open an empty database at once, and leave', async () => {
    const url = await createEmptyDatabase(kind);
    const children = Array.from({ length: 4 }, () =>
      fork(opener, [url], { stdio: ['ignore', 'inherit', 'pipe', 'ipc'] }),
    );
    const ends = await Promise.all(
      children.map(async (child) => {
        const said: string[] = [];
        child.stderr?.on('data', (chunk) => said.push(String(chunk)));
        const [code] = await once(child, 'exit');
        return { code, said: said.join('') };
      }),
    );
    expect(ends).toEqual(children.map(() => ({ code: 0, said: '' })));
    expect(await findDrift({ url })).toBeUndefined();
  });

  it('that fail halfway leave nothing behind, and are applied once they can be', async () => {
    const url = await createEmptyDatabase(kind);
    await migrateDatabase({ url });
    // Everything is to be applied again, and one of the tables is in the way.
    await runSql(
      url,
      'DROP TABLE IF EXISTS conversation_numbers; DROP TABLE message_search; DROP TABLE batch_submissions; DROP TABLE batch_generations; DROP TABLE batch_items; DROP TABLE batch_columns; DROP TABLE batches; DROP TABLE access_tokens; DROP TABLE api_keys; DROP TABLE model_preferences; DROP TABLE messages; DROP TABLE conversations; DROP TABLE usage_series; DROP TABLE usage_rollups; DROP TABLE usage_tombstones; DROP TABLE usage_retention; DELETE FROM _prisma_migrations',
    );
    await expect(createDatabase({ url })).rejects.toThrow(/usage_stats/);
    await expect(createDatabase({ url })).rejects.toThrow(/usage_stats/);
    await runSql(url, 'DROP TABLE usage_stats');
    const database = await createDatabase({ url });
    expect(await database.ledger.record([createLedgerRow()])).toBe(1);
    await database.close();
    expect(await findDrift({ url })).toBeUndefined();
  });

  it('take out of every sum of money what demo answers would have cost', async () => {
    const url = await createEmptyDatabase(kind);
    const database = await createDatabase({ url });
    const from = Date.UTC(2026, 0, 15);
    const own = { model: 'large', client: 'alice', tags: ['b', 'a'] };
    const paid = [own, {}].flatMap((keys) => [
      createLedgerRow({ ...keys, costNanoUsd: 7 }),
      createLedgerRow({ ...keys, cached: true, savedNanoUsd: 3, startedAt: from + 3_600_000 }),
    ]);
    // Beside what was paid under the same names, and by themselves.
    const demos = [own, { ...own, client: 'bob' }, { ...own, provider: 'mistral', tags: [] }].flatMap((keys) => [
      createLedgerRow({ ...keys, demo: true, costNanoUsd: 9 }),
      createLedgerRow({ ...keys, demo: true, costNanoUsd: null }),
      createLedgerRow({ ...keys, demo: true, cached: true, savedNanoUsd: 5 }),
      createLedgerRow({ ...keys, demo: true, cached: true }),
    ]);
    const rows = [...paid, ...demos].map((row, index) => ({ ...row, requestId: `gen_${index}` }));
    await database.ledger.record(rows);
    await database.ledger.rollUp({ limit: 100, unknownBefore: 0 });
    const summarize = () =>
      Promise.all(
        [undefined, ...UsageGroupBy.options].map(async (groupBy) => {
          const query = { from, to: from + 86_400_000, groupBy };
          return { found: await database.ledger.summarize(query), byHand: addUpByHand(rows, query) };
        }),
      );
    // As they were when none of it was told apart: each time the 9 stand for one of the others, too.
    await runSql(
      url,
      `UPDATE usage_rollups SET cost_nano_usd = cost_nano_usd + demo_nano_usd, demo_nano_usd = 0,
         unpriced_calls = unpriced_calls + demo_nano_usd / 9, saved_nano_usd = saved_nano_usd + 5 * demo_nano_usd / 9,
         unpriced_cached = unpriced_cached + demo_nano_usd / 9;
       DELETE FROM _prisma_migrations WHERE migration_name LIKE '%_demo_money'`,
    );
    expect((await summarize())[0]?.found.totals.costNanoUsd).toBe(2 * 7 + 3 * 9);
    expect(await migrateDatabase({ url })).toHaveLength(1);
    for (const { found, byHand } of await summarize()) expect(found).toEqual(byHand);
    expect(await database.ledger.sumCosts({ from, to: from + 86_400_000, client: 'alice' })).toBe(7);
    await database.close();
  });

  it('leave a database alone that belongs to something else', async () => {
    const url = await createEmptyDatabase(kind);
    await runSql(url, 'CREATE TABLE payroll (id TEXT)');
    await expect(createDatabase({ url })).rejects.toMatchObject({
      code: 'unavailable',
      hint: expect.stringContaining('a database of its own'),
    });
  });
});

it('migrations of an SQLite file wait for a process that writes, and for nobody who only has it open', async () => {
  const url = await createEmptyDatabase('sqlite');
  const [idle, writing] = [new Sqlite(url.slice('file:'.length)), new Sqlite(url.slice('file:'.length))];
  idle.pragma('journal_mode = WAL');
  writing.exec('BEGIN IMMEDIATE');
  const migrated = migrateDatabase({ url });
  setTimeout(() => writing.exec('COMMIT'), 200);
  expect((await migrated).length).toBeGreaterThan(0);
  for (const file of [idle, writing]) file.close();
  expect(await findDrift({ url })).toBeUndefined();
});
