import { type ErrorShape, Outcome, type Reply } from '@aimm/contracts';
import type { Redis } from 'ioredis';
import { replyStreamLength } from './checkpoints.ts';
import { fields, keys } from './names.ts';
import { requestTtlMs } from './requests.ts';

export interface AbandonedJob {
  queue: string;
  jobId: string;
  requestId: string;
  error: ErrorShape;
  replyTo: string | undefined;
}

/** An outcome that is there stays, and whoever waited was told of it then. KEYS[2]: reply stream. */
const abandonScript = `#!lua flags=allow-oom
if redis.call('EXISTS', KEYS[1]) == 0 then return {0, '', ''} end
local fresh = redis.call('HSETNX', KEYS[1], '${fields.outcome}', ARGV[1])
if fresh == 1 and ARGV[2] ~= '' then
  redis.call('XADD', KEYS[2], 'NOMKSTREAM', 'MAXLEN', '~', ARGV[3], '*', 'r', ARGV[2])
end
-- One that no list holds would stay for ever.
if ARGV[4] ~= '' then redis.call('PEXPIRE', KEYS[1], ARGV[4]) end
return {fresh, redis.call('HGET', KEYS[1], '${fields.outcome}'), redis.call('HGET', KEYS[1], '${fields.checkpoint}') or ''}`;

type Scripted = Redis & {
  aimmAbandon(job: string, stream: string, ...argv: (string | number)[]): Promise<[number, string, string]>;
};

/**
 * Writes the outcome of a job that ended without its handler, and tells whoever waits; both once, whoever comes first.
 * `wasFresh`: nobody had. `inForce`: the outcome that the job has now. `checkpoint`: its JSON, as it stands in the job.
 * `isInNoList`: BullMQ will never remove the job; it goes after `keepMs`.
 */
export async function settleAbandonedJob(
  redis: Redis,
  { queue, jobId, requestId, error, replyTo }: AbandonedJob,
  { isInNoList = false, keepMs = requestTtlMs } = {},
): Promise<{ wasFresh: boolean; inForce: Outcome; checkpoint: string | undefined }> {
  redis.defineCommand('aimmAbandon', { numberOfKeys: 2, lua: abandonScript });
  const key = keys.job(queue, jobId);
  const outcome: Outcome = { status: 'failed', error };
  const reply: Reply = { type: 'failed', requestId, attempt: Number.MAX_SAFE_INTEGER, seq: 0, error };
  const [fresh, inForce, checkpoint] = await (redis as Scripted).aimmAbandon(
    key,
    replyTo ?? key,
    JSON.stringify(outcome),
    replyTo === undefined ? '' : JSON.stringify(reply),
    replyStreamLength,
    isInNoList ? keepMs : '',
  );
  return {
    wasFresh: fresh === 1,
    inForce: inForce === '' ? outcome : Outcome.parse(JSON.parse(inForce)),
    checkpoint: checkpoint === '' ? undefined : checkpoint,
  };
}
