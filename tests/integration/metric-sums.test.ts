import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connectFront, connectWorker, createMetricSums, readMetricSums } from '@aimm/queue';
import { createLogger, createTally } from '@aimm/runtime';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createRedisServer, type RedisServer } from '../support/redis-server.ts';

let dir: string;
let redis: RedisServer;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'aimm-sums-'));
  redis = await createRedisServer(dir);
});
afterEach(async () => {
  await redis.stop();
  await rm(dir, { recursive: true, force: true });
});

const logger = await createLogger({ name: 'test', level: 'silent', format: 'json' });
const readLost = async () => [...(await readMetricSums(redis.client())).values()];

test('what several processes counted adds up, and stays when they leave', async () => {
  for (const counted of [2, 3]) {
    const connection = connectWorker(redis.url, logger);
    const tally = createTally();
    const sums = createMetricSums(connection, tally);
    tally.count('lostRequests', {}, counted);
    await sums.flush();
    tally.count('lostRequests', {});
    await sums.close();
    connection.disconnect();
  }
  expect(await readLost()).toEqual([7]);
});

test('counts whose answer was lost with a Redis that hung count once', async () => {
  const connection = connectFront(redis.url, logger);
  await expect.poll(() => connection.status).toBe('ready');
  const tally = createTally();
  const sums = createMetricSums(connection, tally);
  tally.count('lostRequests', {}, 5);
  redis.pause();
  // The front gives up on it, and Redis takes it when it goes on.
  await expect(sums.flush()).rejects.toThrow('timed out');
  redis.resume();
  tally.count('lostRequests', {}, 4);
  await expect.poll(() => sums.flush().then(readLost, () => []), { timeout: 10_000 }).toEqual([9]);
  await sums.flush();
  expect(await readLost()).toEqual([9]);
  await sums.close();
  connection.disconnect();
});
