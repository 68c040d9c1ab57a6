import type { DatabaseOnDemand, LedgerRepository } from '@aimm/database';
import { askDatabase } from './ask-database.ts';

/** What the ledger answers; throws as `askDatabase` does. */
export function askLedger<T>(
  database: Pick<DatabaseOnDemand, 'get'>,
  withinMs: number,
  ask: (ledger: LedgerRepository) => Promise<T>,
): Promise<T> {
  return askDatabase(database, withinMs, ({ ledger }) => ask(ledger));
}
