import type { GeneratePayload, GenerationResult } from '@aimm/contracts';
import type { Shareable } from '@aimm/queue';
import { releaseBudget, reserveBudgets, settleWith, toClaims } from './budgets.ts';
import type { Resources } from './resources.ts';

export type Entered =
  /** Answered already. */
  | { state: 'cached'; result: GenerationResult }
  /** Another request makes the call for both. */
  | { state: 'following' }
  /** Its own job is in the queue. */
  | { state: 'queued' };

/**
 * The way in of one generation: answered from the cache, joined to an identical one that is under way, or reserved in its budgets
 * and queued. `cacheKey`: where an answer may be kept; absent: none is wanted. What needs neither cache nor budget is queued as it is.
 * @throws budget_exceeded, unavailable; nothing is reserved or queued then
 */
export async function enter(
  resources: Resources,
  payload: GeneratePayload,
  cacheKey: string | undefined,
): Promise<Entered> {
  const { queue } = resources;
  const claims = toClaims(resources, [payload]);
  if (cacheKey !== undefined && isShareable(payload)) {
    const joined = await settleWith(resources, claims, async (ready) => {
      const answer = await queue.flights.join(payload, cacheKey, ready);
      return answer.state === 'refused' ? answer.reserved : answer;
    });
    if (joined.state === 'cached' || joined.state === 'following') return joined;
  } else {
    await reserveBudgets(resources, claims);
  }
  try {
    await queue.producer.addGeneration(payload);
  } catch (error) {
    // Not waited for: whoever asked is to hear of it within two seconds.
    void releaseBudget(resources, payload);
    if (payload.flight !== undefined)
      void queue.flights.passOn(payload.flight, payload.requestId).catch(() => undefined);
    throw error;
  }
  return { state: 'queued' };
}

function isShareable(payload: GeneratePayload): payload is Shareable {
  return payload.flight !== undefined;
}
