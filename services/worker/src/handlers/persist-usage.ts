import type { Handler } from '@aimm/queue';
import { waitForDatabase } from '../database-away.ts';
import type { LedgerWriter } from '../ledger-writer.ts';

/** Brings ledger rows to a database that was down when they were made; tries until it takes them. */
export function createPersistUsage(ledger: Pick<LedgerWriter, 'recordNow'>): Handler<'persist-usage'> {
  return async ({ rows }) => {
    try {
      return { value: { written: await ledger.recordNow(rows) } };
    } catch (cause) {
      throw waitForDatabase('The database takes no usage rows yet.', cause);
    }
  };
}
