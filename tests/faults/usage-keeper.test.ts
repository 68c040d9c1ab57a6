import Sqlite from 'better-sqlite3';
import { expect, test, vi } from 'vitest';
import { createFaultStack } from '../support/fault-stack.ts';
import { createLedgerRow } from '../support/ledger-rows.ts';
import { addUpByHand } from '../support/usage-by-hand.ts';

vi.setConfig({ testTimeout: 120_000 });

test('a worker killed over rolling up and deleting leaves both to others, and no report changes', async () => {
  const stack = await createFaultStack({ env: { USAGE_RETENTION_DAYS: '7' } });
  const { ledger } = await stack.database();
  const dayMs = 86_400_000;
  const now = Date.now();
  const rows = Array.from({ length: 4_000 }, (_, index) =>
    createLedgerRow({
      requestId: `gen_${index}`,
      startedAt: now - 14 * dayMs + Math.floor((index * 14 * dayMs) / 4_000),
      providerMs: index,
      tags: index % 3 === 0 ? ['a', 'b'] : [],
    }),
  );
  await ledger.record(rows);

  const file = new Sqlite(stack.databaseUrl.slice('file:'.length), { readonly: true });
  const count = (where: string) =>
    Number(file.prepare(`SELECT COUNT(*) FROM usage_stats WHERE ${where}`).pluck().get());
  const query = { from: now - 15 * dayMs, to: now + 60_000, groupBy: 'day' as const, timeZone: 'Asia/Kathmandu' };
  const expected = addUpByHand(rows, query);

  const first = await stack.startWorker();
  await expect.poll(() => count('rolled_up'), { timeout: 30_000, interval: 10 }).toBeGreaterThan(300);
  await first.end('SIGKILL');
  expect(count('NOT rolled_up')).toBeGreaterThan(0);
  expect(await ledger.summarize(query)).toEqual(expected);

  await Promise.all([stack.startWorker(), stack.startWorker()]);
  await expect.poll(() => count(`started_at < ${now - 7 * dayMs - 900_000}`), { timeout: 60_000 }).toBe(0);
  expect(await ledger.summarize(query)).toEqual(expected);

  const youngestToGo = Date.now() - 7 * dayMs;
  const toKeep = rows.filter(({ startedAt }) => startedAt >= youngestToGo).length;
  expect(toKeep).toBeGreaterThan(1_900);
  expect(count(`started_at >= ${youngestToGo}`)).toBe(toKeep);
  file.close();
});
