import { type GeneratePayload, ModelManagerError, type RequestRecord } from '@aimm/contracts';
import { findCooldown, toNextHop, withBudgetCosts } from '@aimm/queue';
import { cancelGeneration, leaveFlight } from './cancel-job.ts';
import type { Resources } from './resources.ts';

/**
 * `max_wait_seconds` are over and the job still waits, in its queue or put aside: the next fallback gets it, or it ends.
 * Does nothing where a worker has begun meanwhile. `asked`: what was asked, where that is known here.
 */
export async function giveUpWaiting(resources: Resources, requestId: string, asked?: GeneratePayload): Promise<void> {
  const { queue, now } = resources;
  const record = await queue.requests.find(requestId);
  const waiting = (record && (await queue.handOver.find(record))) ?? asked;
  const error = tooBusy(record?.model ?? 'The model', waiting?.provider);
  if (waiting === undefined) return cancelGeneration(resources, requestId, error);
  // One that was put back to be tried again has made calls: numbers go on from there, and what they cost stays spent.
  const { calls, rows } = (record && (await queue.requests.readCheckpoint(record))) ?? { calls: [], rows: [] };
  const aside = await queue.cooldowns().catch(() => []);
  const isAside = (provider: string, name: string) => findCooldown(aside, provider, name) !== undefined;
  const asking = withBudgetCosts({ ...waiting, flight: record?.flight }, rows);
  const next = toNextHop(asking, error.toShape(), calls.length, now(), { isAside });
  if (next === undefined) {
    await cancelGeneration(resources, requestId, error);
  } else if (record !== undefined && (await leaveFlight(resources, record))) {
    // It waited for another's call, and held nothing of a budget.
    const { flight: _flight, ...alone } = next;
    await queue.budgets.hold(requestId, alone.budget ?? [], alone.deadlineAt);
    await queue.producer.addGeneration(alone, { goesOn: true });
  } else {
    await queue.handOver.move(waiting, next, { error: error.toShape() });
  }
}

/**
 * The deadline is past and the job still waits. One with a call that a crash cut off is left to the next worker, which ends it in the
 * same way: nobody else can account for that call.
 */
export async function giveUpLate(resources: Resources, record: RequestRecord): Promise<void> {
  const checkpoint = await resources.queue.requests.readCheckpoint(record);
  if (checkpoint?.calls.some(({ state }) => state === 'started') === true) return;
  await cancelGeneration(resources, record.requestId, tooLate());
}

function tooLate(): ModelManagerError {
  return new ModelManagerError('timeout', 'The request waited past its deadline.', {
    retryable: false,
    hint: 'check_health shows whether a worker serves its provider, and how busy that is.',
  });
}

/** `model`: `provider/model-id`. */
export function tooBusy(model: string, provider: string | undefined): ModelManagerError {
  return new ModelManagerError('timeout', `${model} was still busy after max_wait_seconds.`, {
    provider,
    retryable: false,
    hint: 'Allow a longer wait, name fallbacks, or ask with background: true. check_health shows how busy the provider is.',
  });
}
