import type { Redis } from 'ioredis';
import type { ProcessMeasure } from '../support/measure-process.ts';
import { fitSlope } from './slope.ts';

/** What must not grow, and how much a minute still counts as standing still: a leak of 1 KB a request is 240 KB a minute. */
export const bounds = {
  heapKb: 400,
  externalKb: 300,
  descriptors: 0.5,
  resources: 0.5,
  redisKb: 200,
} as const;
/**
 * Resident memory rises with V8's heap until it has found its size, some ten thousand requests on: what must not be passed. Measured
 * at 10 requests at once, a worker stays at 565 MB and a front at 445 MB.
 */
export const residentAtMostKb = 800_000;
export type Measure = ProcessMeasure | 'redisKb';

export interface Series {
  what: string;
  measure: Measure;
  samples: { at: number; value: number }[];
}

const kb = 1_024;

/** Redis' data without the streams, which are trimmed at lengths of their own: replies at 10,000 entries, events at 1,000. */
export async function measureRedis(redis: Redis): Promise<{ dataKb: number; streamsKb: number; keys: number }> {
  const streams = await redis.keys('{aimm}:replies:*');
  const events = (await redis.keys('{aimm}:*:events')).filter((key) => key.split(':').length === 3);
  const sizes = await Promise.all([...streams, ...events].map((key) => redis.memory('USAGE', key, 'SAMPLES', 0)));
  const streamsBytes = sizes.reduce<number>((sum, size) => sum + (size ?? 0), 0);
  const dataset = Number(/^used_memory_dataset:(\d+)/m.exec(await redis.info('memory'))?.[1]);
  return { dataKb: (dataset - streamsBytes) / kb, streamsKb: streamsBytes / kb, keys: await redis.dbsize() };
}

/** Growth per minute over the second half of a run: in the first caches fill and code is compiled. */
export function growthOf({ samples }: Series): number {
  const half = samples.slice(Math.floor(samples.length / 2));
  return fitSlope(half.map(({ at, value }) => ({ at: at / 60_000, value })));
}
