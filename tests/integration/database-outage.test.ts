import { randomUUID } from 'node:crypto';
import type { LedgerRow } from '@aimm/contracts';
import { createDatabase } from '@aimm/database';
import { openPostgres } from '@aimm/database/postgres-connection';
import { createLogger } from '@aimm/runtime';
import { createLedgerWriter } from '@aimm/worker/ledger-writer';
import pg from 'pg';
import { expect, it } from 'vitest';
import { createLedgerRow } from '../support/ledger-rows.ts';
import { createTcpProxy } from '../support/tcp-proxy.ts';
import { createEmptyDatabase } from '../support/test-databases.ts';

async function createProxiedPostgres() {
  const direct = await createEmptyDatabase('postgresql');
  const url = new URL(direct);
  const proxy = await createTcpProxy(Number(url.port));
  url.port = String(proxy.port);
  return { url: url.href, proxy, direct };
}

it('a PostgreSQL that goes away is unavailable, and is used again once it is back', async () => {
  const { url, proxy } = await createProxiedPostgres();
  const database = await createDatabase({ url });
  const record = (requestId: string) => database.ledger.record([createLedgerRow({ requestId })]);
  expect(await record('gen_before')).toBe(1);

  await proxy.cut();
  const refused = { code: 'unavailable', retryable: true, message: expect.stringContaining('PostgreSQL') };
  await expect(record('gen_meanwhile')).rejects.toMatchObject(refused);
  await expect(database.ping(1_000)).rejects.toMatchObject(refused);
  await expect(database.conversations.find('conv_1')).rejects.toMatchObject(refused);
  const turn = { id: 'conv_1', client: 'tests', title: '', version: 0, messages: [] };
  await expect(database.conversations.appendTurn(turn)).rejects.toMatchObject(refused);

  await proxy.restore();
  expect(await database.ping(5_000)).toBeGreaterThan(0);
  expect(await record('gen_meanwhile')).toBe(1);
  expect(await record('gen_before')).toBe(0);
  await database.close();
  await proxy.close();
});

it('work that PostgreSQL drops halfway is unavailable, and is done when it is asked for again', async () => {
  const { url, proxy, direct } = await createProxiedPostgres();
  const database = await createDatabase({ url });
  const blocker = new pg.Client(direct);
  await blocker.connect();
  await blocker.query('BEGIN; LOCK TABLE usage_stats IN EXCLUSIVE MODE');
  const rows = Array.from({ length: 100 }, (_, index) => createLedgerRow({ requestId: `gen_${index}` }));
  const writes = rows.map((row) => database.ledger.record([row]));
  const waiting = async () =>
    (await blocker.query('SELECT 1 FROM pg_locks WHERE NOT granted AND relation = $1::regclass', ['usage_stats']))
      .rowCount;
  await expect.poll(waiting).toBeGreaterThan(0);
  await proxy.cut();
  const settled = await Promise.allSettled(writes);
  const refusals = settled.filter((write) => write.status === 'rejected').map((write) => write.reason);
  expect(refusals).toEqual(rows.map(() => expect.objectContaining({ code: 'unavailable' })));
  await blocker.query('ROLLBACK');
  await blocker.end();
  await proxy.restore();
  await database.ledger.record(rows);
  const { totals } = await database.ledger.summarize({ from: 0, to: Date.now() });
  expect(totals.calls).toBe(100);
  await database.close();
  await proxy.close();
});

it('a row that PostgreSQL refuses keeps no other one out, and waits in a job of its own', async () => {
  const database = await createDatabase({ url: await createEmptyDatabase('postgresql') });
  const set: LedgerRow[][] = [];
  const logger = await createLogger({ name: 'ledger', level: 'silent', format: 'json' });
  const ledger = createLedgerWriter({
    database: () => Promise.resolve(database),
    producer: { addUsage: async (rows) => void set.push([...rows]) },
    spool: {
      append: () => Promise.reject(new Error('nothing is left for the disk')),
      replay: () => Promise.resolve(0),
      size: () => Promise.resolve(0),
    },
    logger,
  });
  // Longer than an entry of an index may be, and not to be made shorter.
  const model = Array.from({ length: 200 }, () => randomUUID()).join('');
  const rows = Array.from({ length: 5 }, (_, index) => createLedgerRow({ requestId: `gen_${index}` }));
  const odd = createLedgerRow({ requestId: 'gen_odd', model });
  await ledger.record([...rows.slice(0, 2), odd, ...rows.slice(2)]);
  expect(set).toEqual([[odd]]);
  expect(await ledger.recordNow([odd])).toEqual({ written: 0, refused: [odd] });
  // The database does not count as down for it.
  await ledger.record([createLedgerRow({ requestId: 'gen_after' })]);
  expect(await database.ledger.findByRequests([...rows.map(({ requestId }) => requestId), 'gen_after'])).toHaveLength(
    6,
  );
  await ledger.close();
  await database.close();
});

it('a connection that is left in the middle of a transaction loses its locks', async () => {
  const { client, close } = await openPostgres(await createEmptyDatabase('postgresql'), undefined);
  const shown = await client.$queryRaw`SELECT current_setting('idle_in_transaction_session_timeout') AS timeout`;
  expect(shown).toEqual([{ timeout: '30s' }]);
  await close();
});

it('a PostgreSQL that refuses the password says so without repeating it', async () => {
  const url = new URL(await createEmptyDatabase('postgresql'));
  url.password = 'hunter22';
  const error: unknown = await createDatabase({ url: url.href }).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ code: 'unavailable', message: 'PostgreSQL refused the user or the password.' });
  expect(JSON.stringify(error)).not.toContain('hunter22');
});

it('a PostgreSQL that is not there is unavailable at once', async () => {
  const { url, proxy } = await createProxiedPostgres();
  await proxy.close();
  await expect(createDatabase({ url })).rejects.toMatchObject({
    code: 'unavailable',
    message: 'PostgreSQL cannot be reached.',
    hint: expect.stringContaining('DATABASE_URL'),
  });
});

it('what is written after a transaction that waited too long for a lock is there for others, and the roll-up is done later', async () => {
  const direct = await createEmptyDatabase('postgresql');
  await (await createDatabase({ url: direct })).close();
  const database = await createDatabase({ url: `${direct}?query_timeout=500` });
  await database.ledger.record([createLedgerRow({ requestId: 'gen_before' })]);
  const blocker = new pg.Client(direct);
  await blocker.connect();
  await blocker.query('BEGIN; LOCK TABLE usage_rollups IN ACCESS EXCLUSIVE MODE');
  const rollUp = () => database.ledger.rollUp({ limit: 10, unknownBefore: 0 });
  await expect(rollUp()).rejects.toMatchObject({ code: 'unavailable', retryable: true });

  const meanwhile = database.ledger.record([createLedgerRow({ requestId: 'gen_meanwhile' })]);
  await blocker.query('COMMIT');
  expect(await meanwhile).toBe(1);
  const { rows } = await blocker.query<{ request_id: string }>('SELECT request_id FROM usage_stats');
  expect(rows.map((row) => row.request_id).toSorted()).toEqual(['gen_before', 'gen_meanwhile']);
  // The server ends the lost transaction once it notices that nobody is there any more.
  await expect.poll(rollUp, { timeout: 5_000 }).toBe(2);
  await blocker.end();
  await database.close();
});

it('of two transactions that wait for each other PostgreSQL undoes one, which is unavailable and can be done again', async () => {
  const url = await createEmptyDatabase('postgresql');
  const database = await createDatabase({ url });
  const rows = ['gen_a', 'gen_b'].map((requestId) => createLedgerRow({ requestId }));
  await database.ledger.record(rows);
  const other = new pg.Client(url);
  await other.connect();
  await other.query(
    `BEGIN; SET LOCAL deadlock_timeout = '1min'; SELECT * FROM usage_stats WHERE request_id = 'gen_b' FOR UPDATE`,
  );
  const undone: Promise<unknown> = database.ledger.record(rows).catch((error: unknown) => error);
  const waits = `SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`;
  await expect.poll(async () => (await other.query(waits)).rowCount).toBe(1);
  await other.query(`UPDATE usage_stats SET lane = lane WHERE request_id = 'gen_a'; COMMIT`);
  expect(await undone).toMatchObject({
    code: 'unavailable',
    retryable: true,
    message: expect.stringContaining('another writer'),
  });
  expect(await database.ledger.record(rows)).toBe(0);
  await other.end();
  await database.close();
});
