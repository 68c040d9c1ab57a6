import { randomBytes } from 'node:crypto';
import { createDatabase, type Database } from '@aimm/database';
import { beforeAll, describe, expect, it } from 'vitest';
import { readBackup, writeBackup } from '../support/backups.ts';
import { fillDatabase, ledgerEnd, ledgerStart } from '../support/filled-database.ts';
import { createLedgerRow } from '../support/ledger-rows.ts';
import { runSql } from '../support/run-sql.ts';
import { createEmptyDatabase, databaseKinds } from '../support/test-databases.ts';

const dayMs = 86_400_000;
const everything = { limit: 1_000, unknownBefore: 0 };

let backup: string;
let source: string;
beforeAll(async () => {
  source = await createEmptyDatabase('sqlite');
  await fillDatabase(source);
  backup = await readBackup(source);
});
const lines = () => backup.trimEnd().split('\n');
const rowsIn = (text: string) => text.trimEnd().split('\n').length - 2;
/** The backup with one of its lines changed; the number of that line. */
function change(isIt: (line: string) => boolean, make: (line: string) => string): { text: string; number: number } {
  const index = lines().findIndex(isIt);
  return {
    text: `${lines()
      .with(index, make(lines()[index] ?? ''))
      .join('\n')}\n`,
    number: index + 1,
  };
}
const ofTable = (table: string) => (line: string) => line.startsWith(`{"table":"${table}"`);

async function withDatabase<Result>(url: string, work: (database: Database) => Promise<Result>, now?: number) {
  const database = await createDatabase({ url, ...(now !== undefined && { now: () => now }) });
  try {
    return await work(database);
  } finally {
    await database.close();
  }
}
const totals = (url: string, from = 0, to = ledgerEnd + 10 * dayMs) =>
  withDatabase(url, async ({ ledger }) => (await ledger.summarize({ from, to })).totals);

describe.each(databaseKinds)('an import into %s', (kind) => {
  /** Empty; what is refused must leave it so. */
  let url: string;
  beforeAll(async () => {
    url = await createEmptyDatabase(kind);
  });
  const isEmpty = async () => rowsIn(await readBackup(url)) === 0;

  it('refuses a backup that was cut off, wherever, and writes nothing of it', async () => {
    const [first = '', ...rest] = lines();
    const last = lines().length;
    const bytes = Buffer.from(backup);
    const within = bytes.indexOf('🦊') + 2;
    const line = bytes.subarray(0, within).toString().split('\n').length;
    for (const isRepeatable of [true, false]) {
      const refused = (text: string | Buffer) => writeBackup(url, text, { isRepeatable });
      const cut = {
        code: 'invalid_request',
        message: `The backup ends after line ${last - 1}, without its end: it was cut off.`,
      };
      await expect(refused([first, ...rest.slice(0, -1), ''].join('\n'))).rejects.toMatchObject(cut);
      await expect(refused(backup.slice(0, -40))).rejects.toThrow(`in the middle of line ${last}: it was cut off`);
      await expect(refused(bytes.subarray(0, within))).rejects.toThrow(`in the middle of line ${line}: it was cut off`);
      await expect(refused(`${first}\n`)).rejects.toThrow('after line 1, without its end');
      await expect(refused('')).rejects.toThrow('Line 1: expected the header of a backup; there is nothing.');
    }
    expect(await isEmpty()).toBe(true);
  });

  it('refuses a backup of a newer version, and what is none', async () => {
    const newer = change(
      (line) => line.includes('"version":1'),
      (line) => line.replace('"version":1', '"version":2'),
    );
    await expect(writeBackup(url, newer.text)).rejects.toMatchObject({
      code: 'invalid_request',
      message: 'Line 1: expected a backup of version 1, found version 2.',
      hint: expect.stringContaining('update this one first'),
    });
    const later = change(
      (line) => line.includes('"schema"'),
      (line) => line.replace(/"schema":"\d+_\w+"/, '"schema":"29990101000000_x"'),
    );
    await expect(writeBackup(url, later.text)).rejects.toThrow(
      'Line 1: the database was at "29990101000000_x", which this',
    );
    await expect(writeBackup(url, '{"some":"json"}\n')).rejects.toThrow(
      'Line 1: format: expected the header of a backup',
    );
    await expect(writeBackup(url, 'PK\u0003\u0004')).rejects.toThrow('Line 1: expected object, received undefined');
    expect(await isEmpty()).toBe(true);
  });

  it('names each line that is wrong and what was expected there, without its content', async () => {
    const wrong: [ReturnType<typeof change>, string][] = [
      [change(ofTable('usage_stats'), () => 'rubbish'), 'expected one JSON object.'],
      [
        change(ofTable('conversations'), (line) => line.replace('"version":1', '"version":"secret"')),
        'conversations: row.version: expected number, received string.',
      ],
      [
        change(ofTable('usage_stats'), (line) =>
          line.replace(/"started_at":"\d+"/, '"started_at":"9223372036854775808"'),
        ),
        'usage_stats: row.started_at: expected a whole number of 64 bits, as a string.',
      ],
      [
        change(ofTable('usage_stats'), (line) => line.replace('"provider":"openai",', '')),
        'usage_stats: row.provider: expected string, received undefined.',
      ],
      [
        change(ofTable('usage_stats'), (line) => line.replace('"provider":', '"colour":"red","provider":')),
        'usage_stats: row: Unrecognized key: "colour".',
      ],
      [
        change(ofTable('messages'), (line) => line.replace('"content":[', '"content":["bare",')),
        'messages: row.content.0: expected object, received string.',
      ],
      [
        change(ofTable('messages'), (line) => line.replace('"messages"', '"api_keys"')),
        'table: expected one of model_preferences, conversations, messages,',
      ],
      [
        change(ofTable('usage_rollups'), () => lines()[1] ?? ''),
        'expected no row of model_preferences behind those of usage_stats.',
      ],
      [change(ofTable('usage_rollups'), () => '{"table":"usage_rollups"}'), 'row: expected an object.'],
    ];
    for (const [{ text, number }, said] of wrong) {
      for (const isRepeatable of [true, false]) {
        const refusal = await writeBackup(url, text, { isRepeatable }).catch((error: Error) => error.message);
        expect(refusal).toContain(`Line ${number}: ${said}`);
        expect(refusal).not.toMatch(/secret|rubbish|bare/);
      }
    }
    const several = lines().map((line, index) => (index >= 5 && index < 8 ? '{}' : line));
    await expect(writeBackup(url, `${several.join('\n')}\n`)).rejects.toThrow(
      /^Line 6: .*\nLine 7: .*\nLine 8: [^\n]*$/,
    );
    expect(await isEmpty()).toBe(true);
  });

  it('refuses rows that belong to nothing, and counts that are not those of the end', async () => {
    const orphan = change(ofTable('messages'), (line) => line.replace('"conv_A"', '"conv_nobody"'));
    await expect(writeBackup(url, orphan.text)).rejects.toThrow(
      `Line ${orphan.number}: messages: row.conversation_id: expected the id of a row of conversations before it.`,
    );
    const series = change(ofTable('usage_rollups'), (line) => line.replace(/"series_id":\d+/, '"series_id":4711'));
    await expect(writeBackup(url, series.text)).rejects.toThrow(
      `Line ${series.number}: usage_rollups: row.series_id: expected the id of a row of usage_series before it.`,
    );
    const fewer = lines().filter((line) => !line.includes('"name":"fast"'));
    await expect(writeBackup(url, `${fewer.join('\n')}\n`)).rejects.toThrow(
      `Line ${fewer.length}: expected 3 rows of model_preferences before the end, found 2.`,
    );
    await expect(writeBackup(url, backup + backup)).rejects.toThrow(
      `Line ${lines().length + 1}: expected nothing behind`,
    );
    expect(await isEmpty()).toBe(true);
  });

  it('takes what a person typed and what an older version wrote', async () => {
    expect(await isEmpty()).toBe(true);
    const older = lines().map((line) => line.replace(/"(rolled_up|summary_until)":\w+,?/, '').replace(',}', '}'));
    const typed = older.map((line) =>
      line
        .replace(/"created_at":"(\d+)"/, '"created_at":$1')
        .replace('Be ', '\\u0000\\ud800Be ')
        .replaceAll('"zone"', '"zo\\u0000ne"'),
    );
    await writeBackup(url, typed.join('\r\n'));
    const again = await readBackup(url);
    expect(again).toContain('"rolled_up":false');
    expect(again).not.toContain('"rolled_up":true');
    // What PostgreSQL does not take is replaced.
    expect(again).toContain('"system":"\uFFFDBe “brief”.');
    expect(again.match(/"zone":"b"/g)).toHaveLength(3);
  });

  it('takes what demo answers would have cost out of the sums of an older version', async () => {
    const older = await createEmptyDatabase('sqlite');
    await withDatabase(older, async ({ ledger }) => {
      const rows = [false, true].map((demo) => createLedgerRow({ requestId: `gen_${demo}`, demo, costNanoUsd: 9 }));
      await ledger.record([...rows, createLedgerRow({ requestId: 'gen_more', costNanoUsd: 5 })]);
      await ledger.rollUp(everything);
    });
    await runSql(older, 'UPDATE usage_rollups SET cost_nano_usd = cost_nano_usd + demo_nano_usd, demo_nano_usd = 0');
    const file = (await readBackup(older)).replace(/"schema":"\w+"/, '"schema":"20261123170033_demo_costs"');
    const url = await createEmptyDatabase(kind);
    await writeBackup(url, file);
    expect(await totals(url)).toMatchObject({ costNanoUsd: 14, demoNanoUsd: 9 });
  });

  it('wants an empty database or to be told to add, and then adds nothing twice', async () => {
    const url = await createEmptyDatabase(kind);
    await writeBackup(url, backup);
    const before = await readBackup(url);
    await expect(writeBackup(url, backup)).rejects.toMatchObject({
      code: 'invalid_request',
      message: 'The database is not empty.',
      hint: expect.stringContaining('--merge'),
    });
    const again = await writeBackup(url, backup, { merges: true });
    expect(again).toMatchObject({ inserted: 0, skipped: rowsIn(backup) });
    expect((await readBackup(url)).split('\n').slice(1)).toEqual(before.split('\n').slice(1));
  });

  it('leaves a conversation alone that went on, with all its messages, and adds the others', async () => {
    const url = await createEmptyDatabase(kind);
    const say = (id: string, version: number, text: string) =>
      withDatabase(url, ({ conversations }) =>
        conversations.appendTurn({
          id,
          client: 'alice',
          title: 'Own',
          version,
          messages: [{ message: { role: 'user', content: [{ type: 'text', text }] }, createdAt: 1 }],
        }),
      );
    await say('conv_A', 0, 'something else');
    await withDatabase(url, ({ preferences }) =>
      preferences.put({ client: '*', name: 'fast', models: ['own/model'], settings: {} }),
    );
    const { tables } = await writeBackup(url, backup, { merges: true });
    expect(tables).toMatchObject({
      conversations: { inserted: 2, skipped: 1 },
      messages: { inserted: 4, skipped: 2 },
      model_preferences: { inserted: 2, skipped: 1 },
    });
    await withDatabase(url, async ({ conversations, preferences }) => {
      expect(await conversations.messages('conv_A')).toHaveLength(1);
      expect(await conversations.messages('conv_ä')).toHaveLength(2);
      expect(await preferences.list('x')).toMatchObject([{ name: 'fast', models: ['own/model'] }]);
    });
  });
});

describe('an import into PostgreSQL alone', () => {
  it('says between which lines stands what the database itself refuses', async () => {
    const url = await createEmptyDatabase('postgresql');
    const name = randomBytes(9_000).toString('hex');
    const huge = change(ofTable('conversations'), (line) => line.replace('"client":"alice"', `"client":"${name}"`));
    const refusal = await writeBackup(url, huge.text).catch((error: Error) => error.message);
    expect(refusal).toMatch(
      new RegExp(`^Lines ${huge.number} to ${huge.number + 2} \\(conversations\\) could not be written: index`),
    );
    expect(refusal).not.toContain(name.slice(0, 20));
    expect(rowsIn(await readBackup(url))).toBe(0);
  });
});

describe.each(databaseKinds)('usage that is added to usage on %s', (kind) => {
  const own = (from: number, count = 40) =>
    Array.from({ length: count }, (_, index) =>
      createLedgerRow({
        requestId: `gen_own_${index}`,
        startedAt: from + index * 3_600_000,
        costNanoUsd: 11,
        model: 'gpt-5',
      }),
    );
  const begin = async (from: number) => {
    const url = await createEmptyDatabase(kind);
    await withDatabase(url, async ({ ledger }) => {
      await ledger.record(own(from));
      await ledger.rollUp({ limit: 30, unknownBefore: 0 });
    });
    return url;
  };
  const settle = (url: string) => withDatabase(url, ({ ledger }) => ledger.rollUp(everything));

  it('is the sum of both where their times do not meet, days that are in sums only with it', async () => {
    const url = await begin(ledgerEnd - dayMs);
    const [mine, theirs] = [await totals(url), await totals(source)];
    const merged = await writeBackup(url, backup, { merges: true });
    expect(merged.notes).toEqual([]);
    const check = async () => {
      const sums = await totals(url);
      for (const name of [
        'requests',
        'calls',
        'cached',
        'failed',
        'inputTokens',
        'costNanoUsd',
        'savedNanoUsd',
      ] as const) {
        expect([name, sums[name]]).toEqual([name, mine[name] + theirs[name]]);
      }
      const past = [ledgerStart, ledgerStart + dayMs] as const;
      expect(await totals(url, ...past)).toEqual(await totals(source, ...past));
    };
    await check();
    await settle(url);
    await check();
    expect((await writeBackup(url, backup, { merges: true })).inserted).toBe(0);
    await settle(url);
    await check();
  });

  it('leaves out what is in sums only where the database has usage of that time, and says so', async () => {
    const url = await begin(ledgerStart);
    const mine = await totals(url);
    const { notes, tables } = await writeBackup(url, backup, { merges: true });
    expect(notes).toEqual([
      expect.stringMatching(/^Of the time before 2026-10-22 .* in sums only\. They were left out/),
    ]);
    const rows = await withDatabase(source, async ({ ledger }) => {
      const names = Array.from({ length: 48 }, (_, index) => `gen_${String(index).padStart(4, '0')}`);
      return (await Promise.all(names.map((name) => ledger.findByRequest(name)))).flat();
    });
    expect(tables['usage_stats']).toEqual({ inserted: rows.length, skipped: 0 });
    const paid = rows.reduce((sum, { costNanoUsd, cached }) => sum + (cached ? 0 : (costNanoUsd ?? 0)), 0);
    expect((await totals(url)).costNanoUsd).toBe(mine.costNanoUsd + paid);
    await settle(url);
    expect((await totals(url)).costNanoUsd).toBe(mine.costNanoUsd + paid);
  });

  it('does not bring back and count again what the database has deleted since, also when its names are forgotten', async () => {
    const url = await createEmptyDatabase(kind);
    await writeBackup(url, backup);
    await settle(url);
    const before = await totals(url);
    const grow = async (now: number) =>
      withDatabase(url, ({ ledger }) => ledger.deleteRolledUp({ limit: 1_000, before: ledgerEnd - dayMs }), now);
    await grow(ledgerEnd);
    const first = await writeBackup(url, backup, { merges: true });
    expect(first.inserted).toBe(0);
    // Of each row it is known that it was deleted.
    expect(first.notes.join(' ')).not.toContain('ledger rows');
    await grow(ledgerEnd + 31 * dayMs);
    expect(await runSql(url, 'SELECT * FROM usage_tombstones')).toEqual([]);
    const { tables, notes } = await writeBackup(url, backup, { merges: true });
    expect(tables['usage_stats']?.inserted).toBe(0);
    expect(notes[0]).toMatch(/^\d+ ledger rows from before 2026-10-23 were left out/);
    await settle(url);
    expect(await totals(url)).toEqual(before);
  });
});
