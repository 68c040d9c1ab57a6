import type { ErrorShape, Outcome, Reply } from '@aimm/contracts';
import type { Redis } from 'ioredis';
import { replyStreamLength } from './checkpoints.ts';
import { fields, keys } from './names.ts';

/** Writes the outcome of a job that BullMQ failed without its handler, and tells whoever waits. Returns its checkpoint. */
export async function settleAbandonedJob(
  redis: Redis,
  job: { queue: string; jobId: string; requestId: string; error: ErrorShape; replyTo: string | undefined },
): Promise<string | undefined> {
  const key = keys.job(job.queue, job.jobId);
  const outcome: Outcome = { status: 'failed', error: job.error };
  const [checkpoint, settled] = await redis.hmget(key, fields.checkpoint, fields.outcome);
  if (settled === null && (await redis.exists(key)) === 1)
    await redis.hset(key, fields.outcome, JSON.stringify(outcome));
  if (job.replyTo !== undefined) {
    const reply: Reply = {
      type: 'failed',
      requestId: job.requestId,
      attempt: Number.MAX_SAFE_INTEGER,
      seq: 0,
      error: job.error,
    };
    await redis.xadd(job.replyTo, 'NOMKSTREAM', 'MAXLEN', '~', replyStreamLength, '*', 'r', JSON.stringify(reply));
  }
  return checkpoint ?? undefined;
}
