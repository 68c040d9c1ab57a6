import type { Database, DatabaseOnDemand } from '@aimm/database';

/** What the database answers. @throws what it throws, or an Error once it takes longer than `withinMs`; it goes on unheeded then */
export async function askDatabase<T>(
  database: Pick<DatabaseOnDemand, 'get'>,
  withinMs: number,
  ask: (opened: Database) => Promise<T>,
): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('the database did not answer in time')), withinMs).unref();
  });
  try {
    return await Promise.race([database.get().then(ask), late]);
  } finally {
    clearTimeout(timer);
  }
}
