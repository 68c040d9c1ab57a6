import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createDatabase } from '@aimm/database';
import Sqlite from 'better-sqlite3';
import pg from 'pg';
import { describe, expect, it } from 'vitest';
import { createEmptyDatabase, databaseKinds } from '../support/test-databases.ts';

const writer = join(import.meta.dirname, '../support/ledger-writer.ts');
const rowsEach = 1_000;
const heldMs = 2_500;

async function nextMessage(child: ChildProcess): Promise<unknown> {
  const gone = once(child, 'exit').then(([code]) => Promise.reject(new Error(`the writer left with code ${code}`)));
  const [message] = await Promise.race([once(child, 'message'), gone]);
  gone.catch(() => undefined);
  return message;
}

/** A third party that keeps the ledger from being written, until the returned function is called. */
async function holdWriteLock(url: string): Promise<() => void> {
  if (url.startsWith('postgres')) {
    const client = new pg.Client(url);
    await client.connect();
    await client.query('BEGIN; LOCK TABLE usage_stats IN EXCLUSIVE MODE');
    return () => void client.query('ROLLBACK').then(() => client.end());
  }
  const file = new Sqlite(url.slice('file:'.length));
  file.exec('BEGIN IMMEDIATE');
  return () => {
    file.exec('COMMIT');
    file.close();
  };
}

describe.each(databaseKinds)('two processes that write one %s database at once', (kind) => {
  it('lose no row, and neither blocks its event loop while it waits for the other', async () => {
    const url = await createEmptyDatabase(kind);
    const writers = ['left', 'right'].map((name) => fork(writer, [url, name, String(rowsEach)]));
    await Promise.all(writers.map(nextMessage));
    const letGo = await holdWriteLock(url);
    for (const child of writers) child.send('go');
    setTimeout(letGo, heldMs);
    const reports = await Promise.all(writers.map(nextMessage));

    const database = await createDatabase({ url });
    const { totals } = await database.ledger.summarize({ from: 0, to: Date.now() });
    await database.close();
    expect(totals).toMatchObject({ calls: 2 * rowsEach, requests: 2 * rowsEach });
    for (const report of reports) {
      // 0 would mean that the loop did not turn at all. An idle machine measures below 40 ms; waiting for the lock inside
      // SQLite would make it as long as the lock is held.
      const turns = (blockedMs: number) => blockedMs > 0 && blockedMs < heldMs / 2;
      expect(report).toMatchObject({ blockedMs: expect.toSatisfy(turns) });
    }
  });
});
