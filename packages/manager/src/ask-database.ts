import type { Database, DatabaseOnDemand } from '@aimm/database';

/** What the database answers. @throws what it throws, or an Error once it takes longer than `withinMs`; it goes on unheeded then */
export function askDatabase<T>(
  database: Pick<DatabaseOnDemand, 'get'>,
  withinMs: number,
  ask: (database: Database) => Promise<T>,
): Promise<T> {
  return within(withinMs, () => database.get().then(ask));
}

/** The same for what is asked of a database that is open. */
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
