import { existsSync, readFileSync } from 'node:fs';
import { inspect } from 'node:util';
import { createDatabase, type Database, findKeyedProviders } from '@aimm/database';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runSql } from '../support/run-sql.ts';
import { createEmptyDatabase, databaseKinds } from '../support/test-databases.ts';

const master = 'the master key of these tests';
const key = (name: string) => `sk-planted-${name}-0123456789abcdef`;

/** An SQLite database with its log, as it lies on the disk. */
function readFiles(url: string): string {
  const path = url.slice('file:'.length);
  return [path, `${path}-wal`]
    .filter(existsSync)
    .map((file) => readFileSync(file, 'latin1'))
    .join('\n');
}

describe.each(databaseKinds)('provider keys on %s', (kind) => {
  let url: string;
  let database: Database;
  let clock = 10_000;
  beforeAll(async () => {
    url = await createEmptyDatabase(kind);
    expect(await findKeyedProviders(url)).toEqual([]);
    database = await createDatabase({ url, now: () => (clock += 1_000) });
  });
  afterAll(() => database.close());

  it('are listed without themselves, and come back to who has the master key', async () => {
    expect(await findKeyedProviders(url)).toEqual([]);
    const work = await database.apiKeys.add({ provider: 'openai', key: key('work'), label: 'work' }, master);
    const home = await database.apiKeys.add({ provider: 'openai', key: key('home') }, master);
    const third = await database.apiKeys.add({ provider: 'openai', key: key('third') }, master);
    const other = await database.apiKeys.add({ provider: 'mistral', key: key('mistral') }, master);
    expect(work).toEqual({
      id: expect.stringMatching(/^key_/),
      provider: 'openai',
      label: 'work',
      fingerprint: '…cdef',
      createdAt: 11_000,
      seal: expect.any(String),
    });
    expect([home.label, third.label, other.label]).toEqual(['key-1', 'key-2', 'key-1']);
    const listed = await database.apiKeys.list();
    expect(listed).toEqual([other, work, home, third]);
    expect(inspect(listed)).not.toContain('planted');
    expect(await database.apiKeys.reveal(home.id, master)).toBe(key('home'));
    expect(await database.apiKeys.reveal('key_none', master)).toBeUndefined();
    expect(await findKeyedProviders(url)).toEqual(['mistral', 'openai']);
  });

  it('lie encrypted', async () => {
    const rows = JSON.stringify(await runSql(url, 'SELECT * FROM api_keys'));
    expect(rows).toContain('openai');
    expect(rows).not.toContain('planted');
    expect(rows).not.toContain(Buffer.from('planted').toString('base64url').slice(0, -2));
  });

  it('are refused twice: the same key, and the same label', async () => {
    await expect(database.apiKeys.add({ provider: 'openai', key: key('work') }, master)).rejects.toMatchObject({
      code: 'invalid_request',
      message: 'This key of openai is already stored, as "work".',
    });
    await expect(
      database.apiKeys.add({ provider: 'openai', key: key('new'), label: 'work' }, master),
    ).rejects.toMatchObject({ code: 'invalid_request', message: expect.stringContaining('"work" already') });
    // Another provider's are its own.
    const same = await database.apiKeys.add({ provider: 'google', key: key('work'), label: 'work' }, master);
    expect(await database.apiKeys.remove('google', same.id)).toEqual(same);
  });

  it('are refused under a second master key, and say which key is under another', async () => {
    const wrong = 'another master key than that';
    const refusal = {
      code: 'unavailable',
      message: expect.stringMatching(/^The key ".+" of \w+ was stored under another master key\.$/),
      hint: expect.stringContaining('AIMM_MASTER_KEY'),
    };
    await expect(database.apiKeys.add({ provider: 'google', key: key('x') }, wrong)).rejects.toMatchObject(refusal);
    const [first] = await database.apiKeys.list();
    const error: unknown = await database.apiKeys.reveal(first?.id ?? '', wrong).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject(refusal);
    expect(inspect(error)).not.toMatch(/planted|master key of|than that/);
  });

  it('are of no use in another row', async () => {
    const listed = await database.apiKeys.list();
    const [work, home] = ['work', 'key-1'].map((label) =>
      listed.find((one) => one.provider === 'openai' && one.label === label),
    );
    const [{ ciphertext } = {}] = await runSql(url, `SELECT ciphertext FROM api_keys WHERE id = '${work?.id}'`);
    await runSql(url, `UPDATE api_keys SET ciphertext = '${String(ciphertext)}' WHERE id = '${home?.id}'`);
    await expect(database.apiKeys.reveal(home?.id ?? '', master)).rejects.toMatchObject({
      code: 'unavailable',
      message: 'The key "key-1" of openai was changed in the database.',
      hint: expect.stringContaining(`aimm keys remove openai ${home?.id}`),
    });
  });

  it('remember that they were refused until they are taken again', async () => {
    const [first] = await database.apiKeys.list();
    const id = first?.id ?? '';
    await database.apiKeys.recordFailure(id, { at: 5_000, reason: 'authentication' });
    expect((await database.apiKeys.list())[0]).toEqual({
      ...first,
      lastFailedAt: 5_000,
      lastFailedReason: 'authentication',
    });
    await database.apiKeys.recordFailure(id, undefined);
    expect((await database.apiKeys.list())[0]).toEqual(first);
    await expect(database.apiKeys.recordFailure('key_gone', undefined)).resolves.toBeUndefined();
  });

  it('come under a new master key, all or none, and the old one opens none after that', async () => {
    for (const { provider, id } of await database.apiKeys.list()) await database.apiKeys.remove(provider, id);
    const next = 'the master key that follows it';
    expect(await database.apiKeys.rotate(master, () => next)).toEqual({ keys: 0, rotated: 0 });
    for (const name of ['one', 'two']) await database.apiKeys.add({ provider: 'openai', key: key(name) }, master);
    const before = await database.apiKeys.list();
    const lain = (await runSql(url, 'SELECT ciphertext FROM api_keys')).map(({ ciphertext }) => String(ciphertext));

    let asked = false;
    const wrong = database.apiKeys.rotate('no master key of these', () => ((asked = true), next));
    await expect(wrong).rejects.toMatchObject({
      code: 'unavailable',
      hint: expect.stringContaining('AIMM_MASTER_KEY'),
    });
    expect(asked).toBe(false);
    expect(await database.apiKeys.list()).toEqual(before);

    expect(await database.apiKeys.rotate(master, () => next)).toEqual({ keys: 2, rotated: 2 });
    const after = await database.apiKeys.list();
    expect(after).toEqual(before.map((stored) => ({ ...stored, seal: expect.any(String) })));
    for (const [index, { id, seal }] of after.entries()) {
      expect(seal).not.toBe(before[index]?.seal);
      expect(await database.apiKeys.reveal(id, next)).toBe(key(index === 0 ? 'one' : 'two'));
      await expect(database.apiKeys.reveal(id, master)).rejects.toMatchObject({ code: 'unavailable' });
    }
    // Run again with both, as after a crash that hid its end: nothing is left to do, and a new key goes under the new one.
    expect(await database.apiKeys.rotate([master, next], () => next)).toEqual({ keys: 2, rotated: 0 });
    const added = await database.apiKeys.add({ provider: 'openai', key: key('three') }, [master, next]);
    expect(await database.apiKeys.reveal(added.id, next)).toBe(key('three'));
    // Nor is what was written over left in the file, for whoever has the old master key.
    const written = kind === 'sqlite' ? readFiles(url) : JSON.stringify(await runSql(url, 'SELECT * FROM api_keys'));
    expect(written).toContain('openai');
    expect(
      lain.map((ciphertext) => ciphertext.split('.').at(-1) ?? '').filter((data) => written.includes(data)),
    ).toEqual([]);
    await database.apiKeys.rotate(next, () => master);
  });

  it('are changed by one of two rotations at once, and a key that is added meanwhile is under theirs', async () => {
    const [left, right] = ['the left one of two master keys', 'the right one of two master keys'] as const;
    const other = await createDatabase({ url });
    try {
      const ends = await Promise.allSettled([
        database.apiKeys.rotate(master, () => left),
        other.apiKeys.rotate(master, () => right),
      ]);
      const lost = ends.filter((end) => end.status === 'rejected');
      expect(lost.map(({ reason }) => reason as unknown)).toEqual([
        expect.objectContaining({ message: expect.stringContaining('Somebody else changed the stored keys') }),
      ]);
      const winner = ends[0].status === 'fulfilled' ? left : right;
      const [rotated, added] = await Promise.allSettled([
        database.apiKeys.rotate(winner, () => master),
        other.apiKeys.add({ provider: 'mistral', key: key('meanwhile') }, [winner, master]),
      ]);
      expect(added.status).toBe('fulfilled');
      // Whoever came second looked again; a rotation is told, and run again.
      if (rotated.status === 'rejected') await database.apiKeys.rotate([winner, master], () => master);
      for (const { id } of await database.apiKeys.list()) {
        expect(await database.apiKeys.reveal(id, master)).toContain('planted');
      }
    } finally {
      await other.close();
    }
  });

  it('are removed by label or id, of their provider only', async () => {
    await database.apiKeys.add({ provider: 'openai', key: key('work'), label: 'work' }, master);
    expect(await database.apiKeys.remove('mistral', 'work')).toBeUndefined();
    expect(await database.apiKeys.remove('openai', 'work')).toMatchObject({ label: 'work' });
    expect(await database.apiKeys.remove('openai', 'work')).toBeUndefined();
    for (const { provider, id } of await database.apiKeys.list()) await database.apiKeys.remove(provider, id);
    expect(await database.apiKeys.list()).toEqual([]);
    expect(await findKeyedProviders(url)).toEqual([]);
  });
});
