import { ModelManagerError } from '@aimm/contracts';
import { CallFailedError, type Handler } from '@aimm/queue';
import { waitForDatabase } from '../database-away.ts';
import type { LedgerWriter, Recorded } from '../ledger-writer.ts';

/** What the database refuses for what is in it, a newer release or a mended database may take. */
const refusedTriedAgainAfterMs = 3_600_000;

/** Brings ledger rows to a database that was down when they were made; tries until it takes them. */
export function createPersistUsage(ledger: Pick<LedgerWriter, 'recordNow' | 'setAside'>): Handler<'persist-usage'> {
  const record = async (rows: Parameters<LedgerWriter['recordNow']>[0]): Promise<Recorded> => {
    try {
      return await ledger.recordNow(rows);
    } catch (cause) {
      throw waitForDatabase('The database takes no usage rows yet.', cause);
    }
  };
  return async ({ rows }) => {
    const { written, refused } = await record(rows);
    if (refused.length > 0 && rows.length === 1) {
      const error = new ModelManagerError('unavailable', 'The database refuses this usage row.', { retryable: true });
      throw new CallFailedError({ action: 'delay', delayMs: refusedTriedAgainAfterMs, error });
    }
    await ledger.setAside(refused);
    return { value: { written } };
  };
}
