import { createDatabase, type Database } from '@aimm/database';
import Sqlite from 'better-sqlite3';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createEmptyDatabase, databaseKinds } from '../support/test-databases.ts';

/** Past our own door: what an intruder, or a backup, has of the table. */
async function readRows(url: string): Promise<string> {
  const sql = 'SELECT * FROM access_tokens';
  const bigintAsText = (_key: string, value: unknown) => (typeof value === 'bigint' ? String(value) : value);
  if (url.startsWith('file:')) {
    const file = new Sqlite(url.slice('file:'.length));
    const rows = file.prepare(sql).all();
    file.close();
    return JSON.stringify(rows, bigintAsText);
  }
  const client = new pg.Client(url);
  await client.connect();
  const { rows } = await client.query(sql);
  await client.end();
  return JSON.stringify(rows, bigintAsText);
}

describe.each(databaseKinds)('access tokens on %s', (kind) => {
  let url: string;
  let database: Database;
  let clock = 10_000;
  beforeAll(async () => {
    url = await createEmptyDatabase(kind);
    database = await createDatabase({ url, now: () => clock });
  });
  afterAll(() => database.close());

  it('are found by themselves, with all that they carry', async () => {
    const given = {
      name: 'ci',
      scopes: ['generate', 'read'] as const,
      limits: { requestsPerMinute: 60, concurrency: 2 },
      budgets: [{ period: 'day' as const, limitNanoUsd: 5_000_000_000, timeZone: 'Europe/Berlin' }],
      expiresAt: 90_000,
    };
    const { token, ...made } = await database.accessTokens.create(given);
    expect(token).toMatch(/^aimm_[0-9a-f]{64}$/);
    expect(made).toEqual({
      ...given,
      id: expect.stringMatching(/^tok_/),
      fingerprint: `…${token.slice(-4)}`,
      createdAt: 10_000,
    });
    expect(await database.accessTokens.find(token)).toEqual(made);
    expect(await database.accessTokens.list()).toEqual([made]);
    const plain = await database.accessTokens.create({ name: 'plain', scopes: ['admin'] });
    expect(plain).toMatchObject({ limits: {}, budgets: [] });
    expect(plain).not.toHaveProperty('expiresAt');
  });

  it('are nowhere in the database', async () => {
    const { token } = await database.accessTokens.create({ name: 'hidden', scopes: ['read'] });
    const rows = await readRows(url);
    expect(rows).toContain('hidden');
    expect(rows).not.toContain(token.slice(5));
    expect(rows).not.toContain(token.slice(5, 25));
  });

  it.each([
    ['none', ''],
    ['one of that form', `aimm_${'0'.repeat(64)}`],
    ['a text', 'x'.repeat(100_000)],
    ['a hash', 'aimm_%'],
  ])('are not found by %s', async (_what, token) => {
    expect(await database.accessTokens.find(token)).toBeUndefined();
  });

  it('have a name of their own while they are live; a revoked or expired one leaves it free', async () => {
    const first = await database.accessTokens.create({ name: 'twice', scopes: ['read'] });
    const again = () => database.accessTokens.create({ name: 'twice', scopes: ['read'], expiresAt: clock + 1_000 });
    await expect(again()).rejects.toMatchObject({
      code: 'invalid_request',
      message: 'There is a live token called "twice" already.',
    });
    clock += 1_000;
    expect(await database.accessTokens.revoke('twice')).toMatchObject({ id: first.id, revokedAt: clock });
    expect(await database.accessTokens.find(first.token)).toBeUndefined();
    expect(await database.accessTokens.revoke('twice')).toBeUndefined();
    expect(await database.accessTokens.revoke(first.id)).toBeUndefined();
    const second = await again();
    clock += 1_000;
    expect(await database.accessTokens.find(second.token)).toBeUndefined();
    const third = await again();
    // An expired one can be revoked by its id, and the live one keeps the name.
    expect(await database.accessTokens.revoke(second.id)).toMatchObject({ id: second.id });
    expect(await database.accessTokens.find(third.token)).toMatchObject({ name: 'twice' });
    expect(await database.accessTokens.revoke('twice')).toMatchObject({ id: third.id });
    expect((await database.accessTokens.list()).filter(({ name }) => name === 'twice')).toHaveLength(3);
  });

  it('are made once, however many ask for the name at the same time', async () => {
    const made = await Promise.allSettled(
      Array.from({ length: 8 }, () => database.accessTokens.create({ name: 'race', scopes: ['read'] })),
    );
    expect(made.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    const refusals = made.flatMap((one): unknown[] => (one.status === 'rejected' ? [one.reason] : []));
    expect(refusals).toEqual(refusals.map(() => expect.objectContaining({ code: 'invalid_request' })));
  });

  it('remember when they were used last', async () => {
    const { id, token } = await database.accessTokens.create({ name: 'used', scopes: ['read'] });
    await database.accessTokens.recordUse(id, 50_000);
    await database.accessTokens.recordUse(id, 40_000);
    expect(await database.accessTokens.find(token)).toMatchObject({ lastUsedAt: 50_000 });
    await expect(database.accessTokens.recordUse('tok_gone', 1)).resolves.toBeUndefined();
  });
});
