import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from '@aimm/runtime';

/** Workers read the stored keys every two seconds, and say at once what came of it. */
const firstKeyWaitMs = 5_000;
const lookEveryMs = 200;

/** Looks whether workers can use what was stored. */
export interface KeyCheck {
  /** What a worker says is wrong with stored keys, as a sentence that names it; undefined where none says so, or none answers. */
  findProblem(options: { isFirst: boolean }): Promise<string | undefined>;
  close(): void;
}

/**
 * To be opened before the key is stored. The first key of all is waited for, up to 5 s: a later one lies under the same master
 * key as those before, of which the workers have said by now whether they can be opened.
 */
export async function createKeyCheck(redisUrl: string, provider: string, logger: Logger): Promise<KeyCheck> {
  const { connectFront, listWorkers, withRedis } = await import('@aimm/queue');
  const redis = connectFront(redisUrl, logger);
  const look = async () => {
    // Who cannot be asked says nothing: the key is stored all the same.
    const workers = await withRedis(redis, () => listWorkers(redis)).catch(() => []);
    const said = workers.flatMap(({ host, pid, providers }) => providers.map((one) => ({ ...one, host, pid })));
    const problems = said.flatMap(({ id, host, pid, problem }) =>
      problem === undefined
        ? []
        : [`The worker on ${host} (process ${pid}) cannot use a stored key of ${id}: ${problem}`],
    );
    const serving = said.filter(({ id }) => id === provider);
    return { problem: problems[0], serving, areReady: serving.every(({ configured, demo }) => configured && !demo) };
  };
  const before = await look();
  return {
    findProblem: async ({ isFirst }) => {
      const until = performance.now() + (isFirst && before.serving.length > 0 ? firstKeyWaitMs : 0);
      for (;;) {
        const { problem, areReady } = await look();
        // One that had a key of the environment is ready in any case: only its silence tells something.
        if (problem !== undefined || (areReady && !before.areReady) || performance.now() >= until) return problem;
        await delay(lookEveryMs);
      }
    },
    close: () => redis.disconnect(),
  };
}
