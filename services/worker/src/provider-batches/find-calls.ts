import type { LedgerRow } from '@aimm/contracts';
import type { StepContext } from './keeper-options.ts';

const atOnce = 500;

/** What the ledger has of these requests, by request: the calls of all their rounds. */
export async function findCalls(
  { database }: Pick<StepContext, 'database'>,
  requestIds: readonly string[],
): Promise<(requestId: string) => readonly LedgerRow[]> {
  const found = new Map<string, LedgerRow[]>();
  for (let at = 0; at < requestIds.length; at += atOnce) {
    for (const row of await database.ledger.findByRequests(requestIds.slice(at, at + atOnce)))
      found.set(row.requestId, [...(found.get(row.requestId) ?? []), row]);
  }
  return (requestId) => found.get(requestId) ?? [];
}
