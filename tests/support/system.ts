import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { GenerationSettings, Message } from '@aimm/contracts';
import { createManager, type Manager } from '@aimm/manager';
import { createLogger } from '@aimm/runtime';
import { type OwnProcess, startWorkerProcess } from './processes.ts';
import { createRedisServer, type RedisServer } from './redis-server.ts';
import { startUpstream, type Upstream } from './upstream.ts';

/** The whole way but for the MCP front: a manager here, a worker process, a Redis, a SQLite file, and Mistral played by `upstream`. */
export interface System {
  manager: Manager;
  worker: OwnProcess;
  redis: RedisServer;
  upstream: Upstream;
  dir: string;
  env: Record<string, string>;
  close(): Promise<void>;
}

export const me = { client: 'me', admin: false };

export async function startSystem(given: Record<string, string> = {}): Promise<System> {
  const dir = await mkdtemp(join(tmpdir(), 'aimm-system-'));
  const [redis, upstream] = await Promise.all([createRedisServer(dir), startUpstream()]);
  const env = {
    REDIS_URL: redis.url,
    DATABASE_URL: `file:${join(dir, 'aimm.db')}`,
    AIMM_DATA_DIR: join(dir, 'data'),
    MISTRAL_API_KEY: 'a-key-for-tests-0123456789',
    MISTRAL_BASE_URL: upstream.url,
    // The shipped limits are careful: a test would wait a second for each call.
    MISTRAL_RPM: '10000000',
    MISTRAL_TPM: '10000000000',
    MISTRAL_CONCURRENCY: '50',
    // Nobody must be there.
    OLLAMA_BASE_URL: 'http://127.0.0.1:9',
    ...given,
  };
  const worker = await startWorkerProcess(env);
  const logger = await createLogger({ name: 'test', level: 'silent', format: 'json' });
  const manager = await createManager({
    redisUrl: redis.url,
    databaseUrl: env.DATABASE_URL,
    configDir: given['AIMM_CONFIG_DIR'],
    raw: env,
    logger,
  });
  return {
    manager,
    worker,
    redis,
    upstream,
    dir,
    env,
    async close() {
      await manager.close();
      await worker.end('SIGKILL');
      await Promise.all([upstream.stop(), redis.stop()]);
      await rm(dir, { recursive: true, force: true });
    },
  };
}

export function ask(
  text: string,
  settings: GenerationSettings = {},
): { messages: Message[]; settings: GenerationSettings } {
  return { messages: [{ role: 'user', content: [{ type: 'text', text }] }], settings };
}
