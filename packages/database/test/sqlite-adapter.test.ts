import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Connection } from '../src/client.ts';
import { migrateDatabase } from '../src/migrate.ts';
import { openSqlite } from '../src/sqlite-connection.ts';

describe('two connections to one SQLite file', () => {
  let dir: string;
  let first: Connection;
  let second: Connection;

  beforeEach(async () => {
    dir = mkdtempSync(join(tmpdir(), 'aimm-sqlite-'));
    const url = `file:${join(dir, 'aimm.db')}`;
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
        await new Promise((resolve) => setImmediate(resolve));
        await transaction.conversation.update({ where: { id: 'counter' }, data: { version: version + 1 } });
      });
    const turns = Array.from({ length: 40 }, (_, index) => increment(index % 2 === 0 ? first : second));
    await Promise.all(turns);
    const counter = await first.client.conversation.findUniqueOrThrow({ where: { id: 'counter' } });
    expect(counter.version).toBe(41);
  });

  it('keep what is written beside a transaction that is rolled back', async () => {
    const { promise: opened, resolve: open } = Promise.withResolvers<void>();
    const { promise: finish, resolve: letFinish } = Promise.withResolvers<void>();
    const rolledBack = first.client.$transaction(async (transaction) => {
      await transaction.conversation.create({ data: conversation('inside') });
      open();
      await finish;
      throw new Error('changed my mind');
    });
    await opened;
    const beside = first.client.conversation.create({ data: conversation('beside') });
    const raw = first.client.$executeRaw`UPDATE conversations SET title = 'seen' WHERE id = 'inside'`;
    letFinish();
    await expect(rolledBack).rejects.toThrow('changed my mind');
    await beside;
    expect(await raw).toBe(0);
    const stored = await second.client.conversation.findMany();
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
