import { createHash } from 'node:crypto';
import { UsageGroupBy, type UsageReport } from '@aimm/contracts';
import { backupTables, createDatabase, type Database, notBackedUp } from '@aimm/database';
import { beforeAll, describe, expect, it } from 'vitest';
import { readBackup, writeBackup } from '../support/backups.ts';
import { fillDatabase, ledgerEnd, ledgerStart, type PlantedSecrets } from '../support/filled-database.ts';
import { createLedgerRow } from '../support/ledger-rows.ts';
import { runSql } from '../support/run-sql.ts';
import { createEmptyDatabase, databaseKinds } from '../support/test-databases.ts';

const dayMs = 86_400_000;

async function withDatabase<Result>(url: string, work: (database: Database) => Promise<Result>): Promise<Result> {
  const database = await createDatabase({ url });
  try {
    return await work(database);
  } finally {
    await database.close();
  }
}

/** Every grouping, over all and over a part that ends within roll-ups. */
async function reportUsage(url: string, until = ledgerEnd): Promise<UsageReport[]> {
  return withDatabase(url, async ({ ledger }) => {
    const reports: UsageReport[] = [];
    for (const groupBy of [undefined, ...UsageGroupBy.options]) {
      for (const to of [until, ledgerStart + 2.4 * dayMs]) {
        reports.push(await ledger.summarize({ from: ledgerStart, to, groupBy, timeZone: 'Asia/Kathmandu' }));
      }
    }
    return reports;
  });
}

const withoutHeader = (backup: string) => backup.slice(backup.indexOf('\n') + 1);
const linesOf = (backup: string) => backup.trimEnd().split('\n');
const rowsOf = (backup: string, table: string) =>
  linesOf(backup).filter((line) => line.startsWith(`{"table":"${table}"`));

describe.each(databaseKinds)('a backup of %s', (kind) => {
  const other = kind === 'sqlite' ? 'postgresql' : 'sqlite';
  let url: string;
  let secrets: PlantedSecrets;
  let backup: string;
  beforeAll(async () => {
    url = await createEmptyDatabase(kind);
    secrets = await fillDatabase(url);
    // More than the numbers of JSON and JavaScript hold.
    await runSql(
      url,
      "UPDATE messages SET cost_nano_usd = 9223372036854775807 WHERE conversation_id = 'conv_b' AND position = 1",
    );
    backup = await readBackup(url);
  });

  it('has rows of every table that is not left out for a reason', async () => {
    const inDatabase = await runSql(
      url,
      kind === 'sqlite'
        ? "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name NOT LIKE 'message_search_%'"
        : "SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public'",
    );
    const exported = backupTables.map(({ name }) => name);
    for (const { name } of inDatabase) {
      const places = [exported.includes(String(name)), String(name) in notBackedUp].filter(Boolean);
      expect([name, places.length, 'in backupTables or notBackedUp']).toEqual([
        name,
        1,
        'in backupTables or notBackedUp',
      ]);
    }
    for (const name of exported) expect([name, rowsOf(backup, name).length > 0]).toEqual([name, true]);
  });

  it('has every column but those of requests that run', async () => {
    for (const { name, leftOut = [] } of backupTables) {
      const columns = await runSql(
        url,
        kind === 'sqlite'
          ? `SELECT name FROM pragma_table_info('${name}')`
          : `SELECT column_name AS name FROM information_schema.columns WHERE table_name = '${name}'`,
      );
      const [first = ''] = rowsOf(backup, name);
      const written = Object.keys(JSON.parse(first).row);
      expect(written.toSorted()).toEqual(
        columns
          .map((each) => String(each['name']))
          .filter((column) => !leftOut.includes(column))
          .toSorted(),
      );
    }
    expect(backup).not.toContain('gen_now');
  });

  it('holds no secret, and says how many it left out', async () => {
    const [stored] = await runSql(url, 'SELECT ciphertext, hash FROM api_keys, access_tokens');
    const hash = createHash('sha256').update(secrets.token).digest('hex');
    expect(stored).toMatchObject({ hash });
    for (const secret of [
      secrets.key,
      secrets.token,
      hash,
      String(stored?.['ciphertext']),
      'api_keys"',
      'access_tokens"',
    ]) {
      expect(withoutHeader(backup)).not.toContain(secret);
    }
    expect(JSON.parse(linesOf(backup)[0] ?? '')).toMatchObject({
      format: 'aimm-export',
      version: 1,
      database: kind,
      left_out: { api_keys: 1, access_tokens: 1 },
    });
  });

  it('goes into the other database and back, and is the same bytes', async () => {
    // One that sorts as people do: a, A, ä, b.
    const there = await createEmptyDatabase(other, { locale: 'en-US' });
    const back = await createEmptyDatabase(kind);
    const summary = await writeBackup(there, backup, { isRepeatable: false });
    expect(summary).toMatchObject({ skipped: 0, notes: [], leftOut: { api_keys: 1, access_tokens: 1 } });
    expect(summary.inserted).toBe(linesOf(backup).length - 2);
    const second = await readBackup(there);
    expect(withoutHeader(second)).toBe(withoutHeader(backup));
    expect(await reportUsage(there)).toEqual(await reportUsage(url));
    await writeBackup(back, second);
    expect(withoutHeader(await readBackup(back))).toBe(withoutHeader(backup));
    expect(second).toContain('"cost_nano_usd":"9223372036854775807"');
    const cost =
      "SELECT CAST(cost_nano_usd AS TEXT) AS cost FROM messages WHERE conversation_id = 'conv_b' AND position = 1";
    expect(await runSql(there, cost)).toEqual([{ cost: '9223372036854775807' }]);
  });

  it('comes to life in the other one: search, further turns, further usage', async () => {
    const there = await createEmptyDatabase(other);
    await writeBackup(there, backup);
    const usageBefore = await reportUsage(there, ledgerEnd + dayMs);
    await withDatabase(there, async ({ conversations, ledger, accessTokens }) => {
      const found = await conversations.list({ client: 'alice', search: 'foxes eat', limit: 10 });
      expect(found.map(({ id }) => id).toSorted()).toEqual(['conv_A', 'conv_b', 'conv_ä']);
      expect(await conversations.list({ search: 'déjà vu', limit: 10 })).toHaveLength(3);
      expect((await conversations.find('conv_A'))?.summary).toEqual({ text: 'They eat plums.', until: 1 });
      // Nobody has its turn, as the request that had it is of the other system.
      expect(await conversations.claimTurn({ id: 'conv_b', version: 1, requestId: 'gen_2' })).toEqual({
        state: 'claimed',
      });
      await conversations.appendTurn({
        id: 'conv_b',
        client: 'alice',
        title: '',
        version: 1,
        messages: [{ message: { role: 'user', content: [{ type: 'text', text: 'And badgers?' }] }, createdAt: 1 }],
      });
      expect(await conversations.list({ search: 'badgers', limit: 10 })).toHaveLength(1);
      // A copy of a row that retention had deleted, and a row with new numbers of series.
      const again = createLedgerRow({ requestId: 'gen_0001', startedAt: ledgerStart + 127 * 60_000, costNanoUsd: 5 });
      const fresh = createLedgerRow({
        requestId: 'gen_new',
        model: 'new',
        client: 'new',
        startedAt: ledgerEnd,
        costNanoUsd: 5,
      });
      await ledger.record([again, fresh]);
      await ledger.rollUp({ limit: 1_000, unknownBefore: 0 });
      expect(await ledger.findByRequest('gen_0001')).toEqual([]);
      expect(await accessTokens.find(secrets.token)).toBeUndefined();
    });
    const [before, after] = [usageBefore[0]?.totals, (await reportUsage(there, ledgerEnd + dayMs))[0]?.totals];
    expect(after).toMatchObject({ calls: (before?.calls ?? 0) + 1, costNanoUsd: (before?.costNanoUsd ?? 0) + 5 });
  });

  it('is one look at the database: what is written meanwhile waits for nothing and is not in it', async () => {
    const { exportDatabase } = await import('@aimm/database');
    const pieces: string[] = [];
    const own = await createEmptyDatabase(kind);
    await withDatabase(own, async (database) => {
      const text = 'long '.repeat(5_000);
      const turn = (id: string) => ({
        id,
        client: 'alice',
        title: 'Long',
        version: 0,
        messages: [{ message: { role: 'user' as const, content: [{ type: 'text' as const, text }] }, createdAt: 1 }],
      });
      for (let index = 0; index < 30; index += 1) await database.conversations.appendTurn(turn(`conv_${index}`));
      for await (const piece of exportDatabase({ url: own })) {
        if (pieces.length === 0) {
          await database.conversations.appendTurn(turn('conv_later'));
          await database.conversations.remove('conv_29');
          // Into a table that is not yet read.
          await database.ledger.record([createLedgerRow({ requestId: 'gen_later' })]);
        }
        pieces.push(piece);
      }
    });
    expect(pieces.length).toBeGreaterThan(5);
    expect(rowsOf(pieces.join(''), 'messages')).toHaveLength(30);
    expect(pieces.join('')).not.toMatch(/conv_later|gen_later/);
  });
});
