import type { ChildProcess } from 'node:child_process';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { awaitMessage, startRedis, startScript } from './processes.ts';

/** A folder, a local upstream that answers at once, a Redis, and the environment of a worker that uses them without limits. */
export async function startUpstream() {
  const dir = await mkdtemp(join(tmpdir(), 'aimm-bench-'));
  const upstream = startScript('bench/src/upstream-main.ts', [], {});
  const port = await awaitMessage(upstream, (message) => (message as { port?: number }).port);
  const redis = await startRedis(dir);
  const env = {
    REDIS_URL: redis.url,
    DATABASE_URL: `file:${join(dir, 'aimm.db')}`,
    AIMM_DATA_DIR: dir,
    OPENAI_API_KEY: 'bench-key-0123456789',
    OPENAI_BASE_URL: `http://127.0.0.1:${port}/v1`,
    OPENAI_CONCURRENCY: '100',
    OPENAI_RPM: '100000000',
    OPENAI_TPM: '100000000000',
    LOG_LEVEL: 'warn',
  };
  return { dir, upstream, redis, env };
}

/** Resolves once the worker works. */
export async function readyWorker(worker: ChildProcess): Promise<void> {
  worker.send({ type: 'environment', environment: {} });
  await awaitMessage(worker, (message) => ((message as { type?: string }).type === 'ready' ? true : undefined));
}
