import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import Sqlite from 'better-sqlite3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createDatabase } from '../src/index.ts';

describe('an SQLite database', () => {
  let dir: string;
  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), 'aimm-sqlite-'));
  });
  afterAll(() => rmSync(dir, { recursive: true, force: true }));

  it('in a folder that does not exist is unavailable, and the error says what must be', async () => {
    await expect(createDatabase({ url: `file:${join(dir, 'nowhere', 'aimm.db')}` })).rejects.toMatchObject({
      code: 'unavailable',
      retryable: true,
      message: 'SQLite cannot open or write its file.',
      hint: expect.stringContaining('folder must exist'),
    });
  });

  it('that is some other file is unavailable, and the file stays as it was', async () => {
    const path = join(dir, 'notes.txt');
    writeFileSync(path, 'not a database at all, '.repeat(100));
    await expect(createDatabase({ url: `file:${path}` })).rejects.toMatchObject({ code: 'unavailable' });
  });

  it('refuses work after it was closed', async () => {
    const database = await createDatabase({ url: `file:${join(dir, 'closed.db')}` });
    await database.close();
    await expect(database.ledger.findByRequest('gen_1')).rejects.toMatchObject({ code: 'unavailable' });
  });

  it('locked by another process lets the event loop turn while a write waits, and then writes', async () => {
    const path = join(dir, 'locked.db');
    const database = await createDatabase({ url: `file:${path}` });
    const turn = { id: 'conv_1', client: 'c', title: 't', version: 0, messages: [] };
    const other = new Sqlite(path);
    other.exec('BEGIN IMMEDIATE');
    const delay = monitorEventLoopDelay({ resolution: 5 });
    delay.enable();
    // It measures from its second tick on.
    await sleep(30);
    setTimeout(() => other.exec('COMMIT'), 1_500);
    await expect(database.conversations.appendTurn(turn)).resolves.toMatchObject({ version: 1 });
    delay.disable();
    other.close();
    await database.close();
    expect(delay.max / 1e6).toBeGreaterThan(0);
    expect(delay.max / 1e6).toBeLessThan(750);
  });
});
