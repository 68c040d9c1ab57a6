import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { SqlQueryable } from '@prisma/driver-adapter-utils';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Connection } from '../src/client.ts';
import { migrateDatabase } from '../src/migrate.ts';
import { createSqliteFactory } from '../src/sqlite-adapter.ts';
import { openSqlite } from '../src/sqlite-connection.ts';

describe('two connections to one SQLite file', () => {
  let dir: string;
  let path: string;
  let first: Connection;
  let second: Connection;

  beforeEach(async () => {
    dir = mkdtempSync(join(tmpdir(), 'aimm-sqlite-'));
    path = join(dir, 'aimm.db');
    const url = `file:${path}`;
    await migrateDatabase({ url });
    [first, second] = [await openSqlite(url), await openSqlite(url)];
  });

  afterEach(async () => {
    await Promise.all([first.close(), second.close()]);
    rmSync(dir, { recursive: true, force: true });
  });

  const conversation = (id: string) => ({ id, client: 'c', title: '', version: 1, createdAt: 0n, updatedAt: 0n });

  it('keep every write, synced at checkpoints, with foreign keys enforced', async () => {
    expect(await first.client.$queryRaw`PRAGMA journal_mode`).toEqual([{ journal_mode: 'wal' }]);
    expect(await first.client.$queryRaw`PRAGMA synchronous`).toEqual([{ synchronous: 1n }]);
    expect(await first.client.$queryRaw`PRAGMA foreign_keys`).toEqual([{ foreign_keys: 1n }]);
  });

  it('let a transaction read and then write, though the other one writes all the while', async () => {
    await first.client.conversation.create({ data: conversation('counter') });
    const increment = ({ client }: Connection) =>
      client.$transaction(async (transaction) => {
        const { version } = await transaction.conversation.findUniqueOrThrow({ where: { id: 'counter' } });
        // Lets the other connection's turn come in the middle.
        await nextTurn();
        await transaction.conversation.update({ where: { id: 'counter' }, data: { version: version + 1 } });
      });
    const turns = Array.from({ length: 40 }, (_, index) => increment(index % 2 === 0 ? first : second));
    await Promise.all(turns);
    const counter = await first.client.conversation.findUniqueOrThrow({ where: { id: 'counter' } });
    expect(counter.version).toBe(41);
  });

  it('keep what is written beside a transaction that is rolled back', async () => {
    const adapter = await createSqliteFactory(path).connect();
    const run = (to: SqlQueryable, sql: string) => to.executeRaw({ sql, args: [], argTypes: [] });
    const insert = (id: string) =>
      `INSERT INTO conversations (id, client, title, version, created_at, updated_at) VALUES ('${id}', 'c', '', 1, 0, 0)`;

    const transaction = await adapter.startTransaction();
    await run(transaction, insert('inside'));
    const beside = run(adapter, insert('beside'));
    const seen = run(adapter, "UPDATE conversations SET title = 'seen' WHERE id = 'inside'");
    // Time enough for both to reach the connection, if nothing made them wait.
    for (let turns = 0; turns < 10; turns++) await nextTurn();
    await run(transaction, 'ROLLBACK');
    await transaction.rollback();

    expect(await beside).toBe(1);
    expect(await seen).toBe(0);
    await adapter.dispose();
    const stored = await first.client.conversation.findMany();
    expect(stored.map((row) => row.id)).toEqual(['beside']);
  });

  it('begin many transactions at once, one after another', async () => {
    const begin = (index: number) =>
      first.client.$transaction(async (transaction) => {
        await transaction.conversation.create({ data: conversation(`conv_${index}`) });
        if (index % 2 === 1) throw new Error('odd');
      });
    const settled = await Promise.allSettled(Array.from({ length: 20 }, (_, index) => begin(index)));
    expect(settled.filter(({ status }) => status === 'fulfilled')).toHaveLength(10);
    expect(await second.client.conversation.count()).toBe(10);
  });
});
