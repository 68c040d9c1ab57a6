import type { DatabaseOnDemand, LedgerRepository } from '@aimm/database';
import { askDatabase } from './ask-database.ts';

/** What the ledger answers. @throws what it throws, or an Error once it takes longer than `withinMs`; it goes on unheeded then */
export function askLedger<T>(
  database: Pick<DatabaseOnDemand, 'get'>,
  withinMs: number,
  ask: (ledger: LedgerRepository) => Promise<T>,
): Promise<T> {
  return askDatabase(database, withinMs, ({ ledger }) => ask(ledger));
}
