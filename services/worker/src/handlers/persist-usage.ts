import { ModelManagerError } from '@aimm/contracts';
import type { Handler } from '@aimm/queue';
import type { LedgerWriter } from '../ledger-writer.ts';

/** Brings ledger rows to a database that was down when they were made; tries until it takes them. */
export function createPersistUsage(ledger: LedgerWriter): Handler<'persist-usage'> {
  return async ({ rows }) => {
    try {
      return { value: { written: await ledger.recordNow(rows) } };
    } catch (cause) {
      throw new ModelManagerError('unavailable', 'The database takes no usage rows yet.', { retryable: true, cause });
    }
  };
}
