import { appendFile, mkdir, mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LedgerRow } from '@aimm/contracts';
import { createLogger } from '@aimm/runtime';
import { expect, onTestFinished, test } from 'vitest';
import { createUsageSpool, type UsageSpool } from '../src/usage-spool.ts';

const logger = await createLogger({ name: 'test', level: 'silent', format: 'json' });

async function createDir(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'aimm-spool-'));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  return join(dir, 'spool');
}

function createRow(callNumber: number): LedgerRow {
  return {
    requestId: 'gen_1',
    callNumber,
    provider: 'mistral',
    model: 'small',
    status: 'succeeded',
    client: 'tests',
    tags: [],
    lane: 'interactive',
    estimated: false,
    costNanoUsd: null,
    cached: false,
    demo: false,
    startedAt: 1,
  };
}

/** All that a row can hold. */
const whole: Required<LedgerRow> = {
  ...createRow(1),
  parentId: 'cmp_1',
  answeredBy: 'small-2603',
  status: 'partial',
  errorCode: 'network',
  tags: ['nightly', 'übung'],
  lane: 'batch',
  inputTokens: 1_000,
  outputTokens: 20,
  cacheReadTokens: 300,
  cacheWriteTokens: 40,
  reasoningTokens: 5,
  estimated: true,
  costNanoUsd: 52_500,
  priceVersion: 'genai-prices@1',
  savedNanoUsd: 7,
  cached: true,
  demo: true,
  queueMs: 12,
  firstTokenMs: 0,
  providerMs: 34,
  finishedAt: 56,
};

async function readAll(dirs: string[]): Promise<number[]> {
  const numbers: number[] = [];
  await createUsageSpool({ dirs, logger }).replay(async (rows) => {
    numbers.push(...rows.map(({ callNumber }) => callNumber));
  });
  return numbers;
}

test('rows come back in the order they were written, once, and only this user may read them', async () => {
  const dir = await createDir();
  const spool = createUsageSpool({ dirs: [dir], logger });
  await Promise.all([spool.append([createRow(1), createRow(2)]), spool.append([createRow(3)])]);
  const [name = ''] = await readdir(dir);
  expect((await stat(join(dir, name))).mode & 0o777).toBe(0o600);
  expect((await stat(dir)).mode & 0o777).toBe(0o700);
  expect(await spool.size()).toBeGreaterThan(0);

  const numbers: number[] = [];
  const replayed = await spool.replay(async (rows) => void numbers.push(...rows.map(({ callNumber }) => callNumber)));
  expect([replayed, numbers]).toEqual([3, [1, 2, 3]]);
  expect(await spool.size()).toBe(0);
  await spool.append([createRow(4)]);
  expect(await readAll([dir])).toEqual([4]);
});

test('nothing of a row is lost on its way over the disk', async () => {
  const dir = await createDir();
  await createUsageSpool({ dirs: [dir], logger }).append([whole, createRow(2)]);
  const rows: LedgerRow[] = [];
  await createUsageSpool({ dirs: [dir], logger }).replay(async (found) => void rows.push(...found));
  expect(rows).toEqual([whole, createRow(2)]);
});

test('what the database and Redis still refuse stays, and nothing that is written meanwhile is lost', async () => {
  const dir = await createDir();
  const spool = createUsageSpool({ dirs: [dir], logger });
  await spool.append([createRow(1)]);
  const refused = spool.replay(async () => {
    await spool.append([createRow(2)]);
    throw new Error('still away');
  });
  await expect(refused).rejects.toThrow('still away');
  expect(await readAll([dir])).toEqual([1, 2]);
});

test('a line that a crash cut in half costs none of the others', async () => {
  const dir = await createDir();
  const spool = createUsageSpool({ dirs: [dir], logger });
  await spool.append([createRow(1), createRow(2)]);
  const [name = ''] = await readdir(dir);
  await appendFile(join(dir, name), JSON.stringify(createRow(3)).slice(0, 40));
  expect(await readAll([dir])).toEqual([1, 2]);
});

test('rows of a process that died are brought by the next, those of one that lives are left to it', async () => {
  const dir = await createDir();
  await mkdir(dir);
  const line = (row: LedgerRow) => `${JSON.stringify(row)}\n`;
  // No process has this number: it is above what the kernel gives out.
  await writeFile(join(dir, 'usage-1-99999999-a.open'), line(createRow(1)));
  await writeFile(join(dir, `usage-2-${process.ppid}-b.open`), line(createRow(2)));
  expect(await readAll([dir])).toEqual([1]);
  expect(await readdir(dir)).toEqual([`usage-2-${process.ppid}-b.open`]);
});

test('rows of another machine, or container, on the same disk are brought once it has left them alone, and none that it adds is lost', async () => {
  const dir = await createDir();
  const [theirs, ours] = ['theirs', 'ours'].map((host) => createUsageSpool({ dirs: [dir], logger, host })) as [
    UsageSpool,
    UsageSpool,
  ];
  await theirs.append([createRow(1)]);
  const numbers: number[] = [];
  const bring = () =>
    ours.replay(async (rows) => {
      numbers.push(...rows.map(({ callNumber }) => callNumber));
      await theirs.append([createRow(numbers.length + 1)]);
    });
  expect(await bring()).toBe(0);
  const [name = ''] = await readdir(dir);
  const longAgo = Date.now() / 1_000 - 61;
  await utimes(join(dir, name), longAgo, longAgo);
  expect([await bring(), numbers]).toEqual([1, [1]]);
  await theirs.replay(async (rows) => void numbers.push(...rows.map(({ callNumber }) => callNumber)));
  expect(numbers).toEqual([1, 2]);
});

test('a spool that is full refuses with a reason, and takes rows again once it was emptied', async () => {
  const dir = await createDir();
  const spool = createUsageSpool({ dirs: [dir], logger, maxBytes: 700 });
  await spool.append([createRow(1)]);
  const refusal = { code: 'unavailable', retryable: false, hint: expect.stringContaining('data directory') };
  await expect(spool.append([createRow(2), createRow(3), createRow(4)])).rejects.toMatchObject(refusal);
  await spool.replay(async () => undefined);
  await spool.append([createRow(5)]);
  expect(await readAll([dir])).toEqual([5]);
});

test('where the data directory cannot be written to, the next place is taken', async () => {
  const [first, second] = [await createDir(), await createDir()];
  await writeFile(first, 'a file where the folder should be');
  await createUsageSpool({ dirs: [first, second], logger }).append([createRow(1)]);
  const [name = ''] = await readdir(second);
  expect(await readFile(join(second, name), 'utf8')).toContain('gen_1');
});
