import { ModelManagerError, type UsageReport } from '@aimm/contracts';
import type { Manager } from '@aimm/manager';
import { within } from '@aimm/runtime/within';

const databaseWithinMs = 3_000;

/** Sums over everybody's usage. @throws unavailable when the database takes longer than 3 s; it is not stopped */
export function readUsage(
  manager: Pick<Manager, 'usage'>,
  query: Parameters<Manager['usage']>[1],
): Promise<UsageReport> {
  return within(databaseWithinMs, manager.usage({ client: 'dashboard', admin: true }, query), () => {
    throw new ModelManagerError('unavailable', `The database did not answer within ${databaseWithinMs / 1000} s.`);
  });
}
