import { ModelManagerError } from '@aimm/contracts';
import { CallFailedError, type Handler } from '@aimm/queue';
import type { LedgerWriter } from '../ledger-writer.ts';

/** A database that is away is tried this often, by one batch for all. */
const triedAgainAfterMs = 2_000;

/**
 * Brings ledger rows to a database that was down when they were made. The whole queue waits for it: thousands of batches
 * that each try by themselves would keep workers busy for nothing.
 */
export function createPersistUsage(ledger: Pick<LedgerWriter, 'recordNow'>): Handler<'persist-usage'> {
  return async ({ rows }) => {
    try {
      return { value: { written: await ledger.recordNow(rows) } };
    } catch (cause) {
      const error = new ModelManagerError('unavailable', 'The database takes no usage rows yet.', {
        retryable: true,
        cause,
      });
      throw new CallFailedError({ action: 'requeue', delayMs: triedAgainAfterMs, error });
    }
  };
}
