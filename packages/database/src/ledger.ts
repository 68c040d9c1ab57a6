import type { LedgerRow } from '@aimm/contracts';
import { raw, sqltag as sql } from '@prisma/client/runtime/client';
import type { Client } from './client.ts';
import type { LedgerRepository } from './database.ts';
import type { LedgerDialect } from './ledger-dialects.ts';
import { keyColumns, ledgerColumns, toColumns, toLedgerRow } from './ledger-rows.ts';
import { measureSpeed } from './ledger-speed.ts';
import { sumCosts } from './ledger-costs.ts';
import { deleteRolledUp } from './ledger-retention.ts';
import { rollUpUsage } from './ledger-rollup.ts';
import { summarizeUsage } from './ledger-summary.ts';
import { toStorableJson } from './storable.ts';

export function createLedger(client: Client, dialect: LedgerDialect, now: () => number): LedgerRepository {
  const betterValues = ledgerColumns.values.map((name) => `${name} = excluded.${name}`).join(', ');

  return {
    record: async (rows) => {
      if (rows.length === 0) return 0;
      // One statement is one transaction, on both databases, and one journey for any number of rows.
      return client.$executeRaw(sql`
        INSERT INTO usage_stats (${raw(ledgerColumns.all.join(', '))})
        ${dialect.selectFromJson(toStorableJson(toDistinct(rows).map(toColumns)))}
        ON CONFLICT (${raw(keyColumns.join(', '))}) DO UPDATE SET ${raw(betterValues)}
        WHERE usage_stats.status = 'outcome_unknown' AND excluded.status <> 'outcome_unknown' AND NOT usage_stats.rolled_up`);
    },
    findByRequest: async (requestId) => {
      const stored = await client.usageStat.findMany({ where: { requestId }, orderBy: { callNumber: 'asc' } });
      return stored.map(toLedgerRow);
    },
    findByRequests: async (requestIds) => {
      const stored = await client.usageStat.findMany({ where: { requestId: { in: [...requestIds] } } });
      return stored.map(toLedgerRow);
    },
    sumCosts: (query) => sumCosts(client, dialect, query),
    summarize: (query) => summarizeUsage(client, dialect, query),
    measureSpeed: (from) => measureSpeed(client, from),
    rollUp: (batch) => rollUpUsage(client, dialect, batch),
    deleteRolledUp: (batch) => deleteRolledUp(client, dialect, batch, now()),
  };
}

/**
 * One row per call, by the rule of the table: the first stays, unless it says `outcome_unknown` and a later one knows.
 * PostgreSQL refuses to touch a row twice in one statement; and in one order, so that two writers of the same rows wait
 * for each other and never both.
 */
function toDistinct(rows: readonly LedgerRow[]): LedgerRow[] {
  const byCall = new Map<string, LedgerRow>();
  for (const row of rows) {
    const key = `${row.requestId} ${row.callNumber}`;
    const earlier = byCall.get(key);
    if (earlier === undefined || (earlier.status === 'outcome_unknown' && row.status !== 'outcome_unknown')) {
      byCall.set(key, row);
    }
  }
  return [...byCall].toSorted(([left], [right]) => (left < right ? -1 : 1)).map(([, row]) => row);
}
