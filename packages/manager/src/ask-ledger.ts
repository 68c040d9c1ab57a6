import type { DatabaseOnDemand, LedgerRepository } from '@aimm/database';

/** What the ledger answers. @throws what it throws, or an Error once it takes longer than `withinMs`; it goes on unheeded then */
export async function askLedger<T>(
  database: Pick<DatabaseOnDemand, 'get'>,
  withinMs: number,
  ask: (ledger: LedgerRepository) => Promise<T>,
): Promise<T> {
  return within(withinMs, () => database.get().then(({ ledger }) => ask(ledger)));
}

/** What the database answers. @throws as {@link askLedger} */
export async function within<T>(ms: number, ask: () => Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('the database did not answer in time')), ms).unref();
  });
  try {
    return await Promise.race([ask(), late]);
  } finally {
    clearTimeout(timer);
  }
}
