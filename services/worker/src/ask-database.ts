import { ModelManagerError } from '@aimm/contracts';
import type { Database } from '@aimm/database';
import { within } from '@aimm/runtime/within';

/**
 * What the database answers. A late success does no harm where what is written is idempotent, which all that asks by this is.
 * @throws what it throws; unavailable once it takes longer than `patienceMs`
 */
export async function askDatabase<D extends Partial<Database>, T>(
  database: () => Promise<D>,
  patienceMs: number,
  ask: (database: D) => Promise<T>,
): Promise<T> {
  return within(patienceMs, database().then(ask), () => {
    throw new ModelManagerError('unavailable', 'The database did not answer in time.');
  });
}
