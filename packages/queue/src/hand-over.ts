import { GeneratePayload, type Outcome, type RequestRecord } from '@aimm/contracts';
import type { Redis } from 'ioredis';
import { withRedis } from './connection.ts';
import { keys, modelOf, queueOf, toMember } from './names.ts';
import { discardScript, handOverScript } from './pool-scripts.ts';
import { generationJobId } from './generation-jobs.ts';
import type { Producer } from './producer.ts';
import { requestTtlMs } from './requests.ts';

/** A request goes on as another job than the one that waits for it. */
export interface HandOver {
  /** What the job of a request is asked now; undefined where it is gone. @throws unavailable */
  find(record: Pick<RequestRecord, 'queue' | 'jobId'>): Promise<GeneratePayload | undefined>;
  /**
   * Ends the waiting job `from` and adds `next` in its place. In this order, and each step repeatable by the worker that
   * meets the ended job: whoever dies in between loses nothing and starts nothing twice. False where the job does not
   * wait any more.
   */
  move(from: GeneratePayload, next: GeneratePayload, outcome: HandOverOutcome): Promise<boolean>;
}

export type HandOverOutcome = Pick<Extract<Outcome, { status: 'failed' }>, 'error' | 'moved'>;

type Scripted = Redis & {
  aimmHandOver(
    job: string,
    lock: string,
    unsettled: string,
    outcome: string,
    calls: number,
    member: string,
  ): Promise<number>;
  aimmDiscard(...given: (string | number)[]): Promise<number>;
};

export function createHandOver(redis: Redis, producer: Pick<Producer, 'addGeneration'>): HandOver {
  redis.defineCommand('aimmHandOver', { numberOfKeys: 3, lua: handOverScript });
  redis.defineCommand('aimmDiscard', { numberOfKeys: 5, lua: discardScript });
  const scripted = redis as Scripted;
  return {
    async find({ queue, jobId }) {
      const data = await withRedis(redis, () => redis.hget(keys.job(queue, jobId), 'data'));
      return GeneratePayload.safeParse(JSON.parse(data ?? 'null')).data;
    },
    async move(from, next, { error, moved }) {
      const [queue, jobId] = [queueOf('generate', from.provider), generationJobId(from)];
      const outcome: Outcome = {
        status: 'failed',
        error,
        continues: true,
        next: modelOf(next),
        ...(moved === true && { moved }),
      };
      const done = await withRedis(redis, () =>
        scripted.aimmHandOver(
          keys.job(queue, jobId),
          keys.jobLock(queue, jobId),
          keys.unsettled,
          JSON.stringify(outcome),
          (next.callsBefore ?? 0) - (from.callsBefore ?? 0),
          toMember({ queue, jobId }),
        ),
      );
      if (done === 0) return false;
      await producer.addGeneration(next, { goesOn: true });
      await scripted.aimmDiscard(
        keys.job(queue, jobId),
        keys.jobLock(queue, jobId),
        keys.wait(queue),
        keys.prioritized(queue),
        keys.delayed(queue),
        jobId,
        requestTtlMs,
      );
      return true;
    },
  };
}
