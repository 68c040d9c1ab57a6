import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { GeneratePayload, GenerationResult } from '@aimm/contracts';
import {
  type Consumer,
  connectWorker,
  createConsumer,
  createSettlement,
  type FrontQueue,
  type Handler,
  type Handlers,
  openFrontQueue,
} from '@aimm/queue';
import { createLogger } from '@aimm/runtime';
import { createRedisServer, type RedisServer } from './redis-server.ts';

/** A front and a consumer of one provider's queue over a Redis of their own; the handlers are the test's. */
export interface QueueFixture {
  redis: RedisServer;
  front: FrontQueue;
  /** Starts a consumer; several make several workers. */
  consume(
    generate: Handler<'generate'>,
    options?: { concurrency?: number; globalConcurrency?: number; lockMs?: number; others?: Partial<Handlers> },
  ): Promise<Consumer>;
  payload(given?: Partial<GeneratePayload>): GeneratePayload;
  close(): Promise<void>;
}

const notHere = () => Promise.reject(new Error('no such job in this test'));

export async function createQueueFixture(): Promise<QueueFixture> {
  const dir = await mkdtemp(join(tmpdir(), 'aimm-queue-'));
  const redis = await createRedisServer(dir);
  const logger = await createLogger({ name: 'test', level: 'silent', format: 'json' });
  const front = openFrontQueue({ redisUrl: redis.url, frontId: randomUUID(), providers: () => ['openai'], logger });
  const consumers: Consumer[] = [];
  const connections: { disconnect(): void }[] = [];

  return {
    redis,
    front,
    async consume(generate, { concurrency = 4, globalConcurrency = 50, lockMs = 30_000, others = {} } = {}) {
      const connection = connectWorker(redis.url, logger);
      connections.push(connection);
      const handlers: Handlers = {
        generate,
        compare: notHere,
        'list-models': notHere,
        'check-health': notHere,
        'persist-usage': notHere,
        'persist-turn': notHere,
        'persist-batch': notHere,
        ...others,
      };
      const settlement = createSettlement(connection, front.producer);
      const consumer = createConsumer({ redis: connection, handlers, logger, lockMs, settlement });
      await consumer.consume({ name: 'openai', concurrency, globalConcurrency });
      if (others.compare !== undefined) await consumer.consume({ name: 'compare', concurrency: 2 });
      consumers.push(consumer);
      return consumer;
    },
    payload: (given = {}) => ({
      requestId: `gen_${randomUUID()}`,
      client: 'tests',
      tags: [],
      lane: 'interactive',
      enqueuedAt: Date.now(),
      deadlineAt: Date.now() + 60_000,
      replyTo: front.replies.stream,
      provider: 'openai',
      request: { model: 'm', messages: [{ role: 'user', content: [{ type: 'text', text: 'hello' }] }], settings: {} },
      attempts: 3,
      timeoutMs: 30_000,
      stream: true,
      onUnknownOutcome: 'retry',
      warnings: [],
      ...given,
    }),
    async close() {
      await front.close();
      await Promise.all(consumers.map((consumer) => consumer.close(0)));
      for (const connection of connections) connection.disconnect();
      await redis.stop();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

export function toResult(payload: GeneratePayload, text: string): GenerationResult {
  return {
    requestId: payload.requestId,
    provider: payload.provider,
    model: payload.request.model,
    text,
    finishReason: { unified: 'stop' },
    usage: {},
    costNanoUsd: null,
    latency: { queueMs: 0, providerMs: 0, totalMs: 0 },
    calls: 1,
    cached: false,
    warnings: [],
  };
}
