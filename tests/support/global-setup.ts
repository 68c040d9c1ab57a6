import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { startPostgres } from './start-postgres.ts';
import { startRedis } from './start-redis.ts';

/** Starts a real Redis and a real PostgreSQL for the run and hands out where they are (see `provided.d.ts`). */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const dir = await mkdtemp(join(tmpdir(), 'aimm-tests-'));
  // Under root PostgreSQL runs as another user, which has to reach its own folder in here.
  await chmod(dir, 0o711);
  const started = await Promise.allSettled([startRedis(dir), startPostgres(dir)]);
  const stop = async () => {
    await Promise.allSettled(started.map(async (server) => server.status === 'fulfilled' && server.value.stop()));
    await rm(dir, { recursive: true, force: true });
  };
  const [redis, postgres] = started;
  if (redis.status === 'rejected' || postgres.status === 'rejected') {
    await stop();
    throw redis.status === 'rejected' ? redis.reason : (postgres as PromiseRejectedResult).reason;
  }
  project.provide('dir', dir);
  project.provide('redisUrl', redis.value.url);
  project.provide('postgresUrl', postgres.value.url);
  return stop;
}
