import type { GeneratePayload } from '@aimm/contracts';
import type { JobsOptions } from 'bullmq';
import { type RankedJob, unrankedOptions } from './fair-order.ts';
import { queueOf } from './names.ts';
import { requestTtlMs } from './requests.ts';

/** How long ended jobs stay in Redis, for `get_job` and Bull Board. Both bounds hold. */
export const retention = {
  removeOnComplete: { age: requestTtlMs / 1000, count: 5_000 },
  removeOnFail: { age: (7 * requestTtlMs) / 1000, count: 5_000 },
  stackTraceLimit: 0,
} satisfies JobsOptions;

/** A fallback hop is a job of its own: it may not carry an id that another queue's job has already ended under. */
export function generationJobId(payload: Pick<GeneratePayload, 'requestId' | 'hop'>): string {
  return payload.hop === undefined ? payload.requestId : `${payload.requestId}-hop${payload.hop}`;
}

/** How a generation's job is kept, retried and ranked, whoever adds it. */
export function generationOptions(payload: GeneratePayload): JobsOptions {
  return {
    jobId: generationJobId(payload),
    attempts: payload.attempts,
    backoff: { type: 'custom' },
    ...unrankedOptions(payload.lane, Date.now()),
    ...retention,
    // What a batch's generation came to is in the database by the time that its job completes.
    ...(payload.batch !== undefined && { removeOnComplete: true }),
  };
}

/** A generation as the order of its queue knows it. */
export function toRankedJob(payload: GeneratePayload): RankedJob {
  const { provider, share, client, lane } = payload;
  return { queue: queueOf('generate', provider), jobId: generationJobId(payload), client: share ?? client, lane };
}
