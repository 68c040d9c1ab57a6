import type { Job } from 'bullmq';
import type { Redis } from 'ioredis';
import type { Decision } from './decision.ts';
import { lanes } from './fair-scripts.ts';
import { fields, keys } from './names.ts';

/** Why a job was put back, as it stands in its hash. */
export interface PutBack {
  action: Decision['action'];
  code: string;
  message: string;
}

/**
 * Notes in a generation's hash why it is put back, and gives what has begun a place before all that has not: waiting for
 * its retry it must not lose the turn that it had. What a limit held back keeps its tag. Sent ahead of BullMQ's own move
 * on the same connection and not awaited.
 */
export function keepPlace(redis: Redis, queue: string, job: Job, { action, error }: Decision): void {
  if (job.name !== 'generate' || action === 'stop') return;
  const { lane } = job.data as { lane: keyof typeof lanes }; // parsed before the handler ran
  const begun = action === 'retry' || action === 'pause' || action === 'hand_back';
  const why: PutBack = { action, code: error.code, message: error.message };
  const values = { [fields.waits]: JSON.stringify(why), ...(begun && { priority: lanes[lane].returned }) };
  redis.hset(keys.job(queue, job.id ?? ''), values).catch(() => undefined);
}
