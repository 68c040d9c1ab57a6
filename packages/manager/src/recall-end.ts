import type { RequestStatus } from '@aimm/contracts';
import { askLedger } from './ask-ledger.ts';
import type { Resources } from './resources.ts';

const answerWithinMs = 2_000;

/**
 * How a generation ended whose job is no longer kept, as its last call in the ledger tells. Undefined where that does not say:
 * a call that failed may have been tried again, and an outcome that is unknown stays so.
 */
export async function recallEnd(
  { database, logger }: Resources,
  requestId: string,
): Promise<Extract<RequestStatus, 'succeeded' | 'cancelled'> | undefined> {
  try {
    const rows = await askLedger(database, answerWithinMs, (ledger) => ledger.findByRequest(requestId));
    const last = rows.at(-1)?.status;
    return last === 'succeeded' || last === 'cancelled' ? last : undefined;
  } catch (error) {
    logger.debug({ err: error, requestId }, 'The ledger does not say how a request ended');
    return undefined;
  }
}
