import type { LedgerRow } from '@aimm/contracts';
import type { Manager } from '@aimm/manager';
import type { Redis } from 'ioredis';
import type { Witness } from '../support/invariants.ts';
import type { Asked } from './soak-client.ts';

export const reader = { client: 'local', admin: true };

interface Job {
  requestId: string;
  parentId?: string;
  tags: string[];
  model: string;
}

/**
 * What a round asked, as the invariants are asked of it. A client that was cut off never learnt its request's id, so those
 * are found in Redis and, where the job was removed, in the ledger.
 */
export async function findRequests(
  asked: readonly Asked[],
  {
    redis,
    manager,
    ledger,
  }: { redis: Redis; manager: Manager; ledger: { findByRequest(id: string): Promise<LedgerRow[]> } },
): Promise<Pick<Witness, 'generations' | 'comparisons'> & { ranThoughRefused: number }> {
  const jobs = await readJobs(redis, ledger);
  const generations: Witness['generations'][number][] = [];
  const comparisons: { requestId: string }[] = [];
  let ranThoughRefused = 0;
  for (const one of asked) {
    const own = jobs.filter(({ tags }) => tags.includes(one.tag));
    const requestId = one.jobId ?? own.map((job) => job.parentId ?? job.requestId)[0];
    if (requestId === undefined) continue;
    if (one.refused) ranThoughRefused += 1;
    const told = one.told === undefined ? {} : { result: toResult(one.told) };
    const { prompt, heard } = one;
    if (one.kind === 'comparison') {
      comparisons.push({ requestId });
      const { children = [] } = await manager.getJob(reader, requestId);
      // A comparison that was cancelled before it was joined does not name its models any more.
      const all = new Map([...children, ...own].map((child) => [child.requestId, child.model]));
      generations.push(
        ...[...all].map(([childId, model]) => ({
          requestId: childId,
          prompt,
          heard,
          model: model.slice(model.indexOf('/') + 1),
        })),
      );
    } else {
      const view = await manager.getJob(reader, requestId);
      const model = own.find((job) => job.requestId === requestId)?.model ?? view.model ?? '';
      generations.push({ requestId, prompt, heard, model: model.slice(model.indexOf('/') + 1), ...told });
    }
  }
  return { generations, comparisons, ranThoughRefused };
}

function toResult({ status, text = '', error }: NonNullable<Asked['told']>): Promise<{ text: string }> {
  if (status === 'succeeded') return Promise.resolve({ text });
  const told = Promise.reject(Object.assign(new Error('told'), { code: error?.code }));
  // Looked at later, and not by everybody.
  told.catch(() => undefined);
  return told;
}

async function readJobs(redis: Redis, ledger: { findByRequest(id: string): Promise<LedgerRow[]> }): Promise<Job[]> {
  const names = (await redis.keys('{aimm}:*:gen_*')).filter((key) => key.split(':').length === 3);
  const inQueues = await Promise.all(
    names
      .filter((key) => !/:(request|cancelled|part):/.test(key))
      .map(async (key) => {
        const data = await redis.hget(key, 'data');
        if (data === null) return [];
        const { requestId, parentId, tags, provider, request } = JSON.parse(data) as Job & {
          provider: string;
          request: { model: string };
        };
        return [
          { requestId, tags, model: `${provider}/${request.model}`, ...(parentId !== undefined && { parentId }) },
        ];
      }),
  );
  const found = inQueues.flat();
  const known = new Set(found.map(({ requestId }) => requestId));
  const recorded = names.flatMap((key) => /:request:(gen_.*)$/.exec(key)?.[1] ?? []).filter((id) => !known.has(id));
  const inLedger = await Promise.all(
    recorded.map(async (requestId) => {
      const [row] = await ledger.findByRequest(requestId);
      if (row === undefined) return [];
      const { parentId, tags, provider, model } = row;
      return [{ requestId, tags, model: `${provider}/${model}`, ...(parentId !== undefined && { parentId }) }];
    }),
  );
  return [...found, ...inLedger.flat()];
}

/** What ages out after a day or a week, now: what is left in Redis after that must not grow. */
export async function ageOut(redis: Redis): Promise<void> {
  const all = await redis.keys('{aimm}:*');
  const jobs = all.filter((key) => /:(gen|cmp|probe|usage|turn|result)_/.test(key));
  const ended = all.filter((key) => key.split(':').length === 3 && /:(completed|failed)$/.test(key));
  for (let at = 0; at < jobs.length; at += 500) await redis.unlink(jobs.slice(at, at + 500));
  if (ended.length > 0) await redis.unlink(ended);
}

/** Jobs that hold rows, turns and results for the database. */
export async function countUnwritten(redis: Redis): Promise<number> {
  const counts = await Promise.all(
    ['persist-usage', 'persist-turn', 'persist-batch'].flatMap((queue) => {
      const place = (name: string) => `{aimm}:${queue}:${name}`;
      return [
        redis.llen(place('wait')),
        redis.llen(place('active')),
        redis.zcard(place('delayed')),
        redis.zcard(place('prioritized')),
      ];
    }),
  );
  return counts.reduce((sum, count) => sum + count, 0);
}
