import { join } from 'node:path';
import type { GeneratePayload } from '@aimm/contracts';
import { createManager, type Manager } from '@aimm/manager';
import { connectFront, connectWorker, createPresence, createProducer } from '@aimm/queue';
import { createLogger } from '@aimm/runtime';
import { startDashboard } from '../src/server.ts';
import type { DashboardSettings } from '../src/settings.ts';
import { createRedisServer } from './start-redis.ts';

export const providers = ['openai', 'anthropic', 'google', 'mistral', 'ollama'];

/** A dashboard on a free port over a Redis and a database of its own; `redis` can be stopped and started. */
export async function createDashboardFixture(
  options: Partial<DashboardSettings> & {
    redisRunning?: boolean;
    databaseUrl?: string;
    now?: () => number;
    identify?: Manager['identify'];
  } = {},
) {
  const { redisRunning = true, databaseUrl, now, identify, ...settings } = options;
  const logger = await createLogger({ name: 'test', level: 'silent', format: 'json' });
  const redis = await createRedisServer(logger);
  if (redisRunning) await redis.start();
  const manager = await createManager({
    redisUrl: redis.url,
    databaseUrl: databaseUrl ?? `file:${join(redis.dir, 'aimm.db')}`,
    raw: {},
    logger,
  });
  const connection = connectFront(redis.url, logger);
  const dashboard = await startDashboard({
    settings: { host: '127.0.0.1', port: 0, token: undefined, requireToken: false, ...settings },
    manager: { ...manager, ...(identify !== undefined && { identify }) },
    redis: connection,
    logger,
    ...(now !== undefined && { now }),
  });
  const closers: (() => Promise<void>)[] = [
    () => redis.remove(),
    async () => connection.disconnect(),
    () => manager.close(),
    () => dashboard.close(),
  ];

  return {
    url: dashboard.url,
    redis,
    /** A connection to its Redis, until the fixture closes. */
    connect() {
      const own = connectWorker(redis.url, logger);
      closers.push(async () => own.disconnect());
      return own;
    },
    /** Adds a generation that nobody will make. */
    async addJob(payload: Partial<GeneratePayload> = {}) {
      const own = connectWorker(redis.url, logger);
      const producer = createProducer({ redis: own, logger });
      await producer.addGeneration({ ...generation, ...payload });
      await producer.close();
      own.disconnect();
    },
    /** Reports a worker that serves everything, until the fixture closes. */
    async announceWorker({ demo = false, configured = providers } = {}) {
      const own = connectWorker(redis.url, logger);
      const presence = createPresence(own, () => ({
        id: 'worker-1',
        host: 'test-host',
        pid: 4242,
        startedAt: Date.now(),
        providers: providers.map((id) => ({ id, configured: configured.includes(id), demo })),
      }));
      await presence.announce();
      closers.push(
        async () => own.disconnect(),
        () => presence.close(),
      );
    },
    async close() {
      for (const close of closers.toReversed()) await close();
    },
  };
}
export type DashboardFixture = Awaited<ReturnType<typeof createDashboardFixture>>;

const generation: GeneratePayload = {
  requestId: 'gen_00000000-0000-7000-8000-000000000001',
  client: 'tests',
  tags: [],
  lane: 'interactive',
  enqueuedAt: Date.now(),
  deadlineAt: Date.now() + 3_600_000,
  provider: 'mistral',
  request: {
    model: 'mistral-medium-3-5',
    messages: [{ role: 'user', content: [{ type: 'text', text: 'Name three rivers' }] }],
    settings: {},
  },
  attempts: 1,
  timeoutMs: 60_000,
  stream: false,
  onUnknownOutcome: 'fail',
  warnings: [],
};
