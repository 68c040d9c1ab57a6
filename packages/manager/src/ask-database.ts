import { ModelManagerError } from '@aimm/contracts';
import type { Database, DatabaseOnDemand } from '@aimm/database';
import { within } from '@aimm/runtime/within';

/** What the database answers. @throws what it throws; unavailable once it takes longer than `withinMs`, whatever becomes of it then */
export function askDatabase<T>(
  database: Pick<DatabaseOnDemand, 'get'>,
  withinMs: number,
  ask: (database: Database) => Promise<T>,
): Promise<T> {
  return within(withinMs, database.get().then(ask), () => {
    throw new ModelManagerError('unavailable', 'The database did not answer in time.');
  });
}
