import { createBullBoard } from '@bull-board/api';
import { BullMQAdapter } from '@bull-board/api/bullMQAdapter';
import { ExpressAdapter } from '@bull-board/express';
import { toModelManagerError } from '@aimm/contracts';
import type { Manager } from '@aimm/manager';
import {
  createQueueDirectory,
  persistQueues,
  type QueueCounts,
  type QueueDirectory,
  type Redis,
  withRedis,
} from '@aimm/queue';
import type { Logger } from '@aimm/runtime';
import { type Express, type RequestHandler, Router } from 'express';
import { describeQueue } from './describe-queue.ts';
import { queueDown } from './queue-down.ts';
import { sendProblem } from './send-problem.ts';

/** Bull Board over every queue. */
export interface QueueBoard {
  /** To be mounted at `/queues`. Answers 503 while Redis cannot be reached. */
  readonly handler: RequestHandler;
  /** @throws unavailable */
  counts(): Promise<QueueCounts[]>;
  close(): Promise<void>;
}

const retrySeconds = 5;

const uiConfig = {
  boardTitle: 'AI Model Manager',
  hideRedisDetails: true,
  hideDocsLink: true,
  favIcon: { default: '/assets/icon.svg', alternative: '/assets/icon.svg' },
  boardLogo: { path: '/assets/icon.svg', width: 28, height: 28 },
  miscLinks: [{ text: 'Overview', url: '/' }],
};
const demoConfig = { ...uiConfig, environment: { label: 'DEMO', color: '#b45309', textColor: '#ffffff' } };

/** What Bull Board's page shows when one of its handlers failed. It fails over NUL in what it wants to refuse, too. */
function toFailure(
  error: Error,
  logger: Logger,
): { status: 400 | 500; body: { error: { key: string }; message: string } } {
  const answer = (status: 400 | 500, message: string) => {
    return { status, body: { error: { key: 'ERRORS.INTERNAL_SERVER_ERROR' }, message } };
  };
  const unreadable = error instanceof SyntaxError || ('statusCode' in error && Number(error.statusCode) < 500);
  if (unreadable) return answer(400, 'The request could not be read.');
  logger.error({ err: error }, 'Bull Board failed');
  return answer(500, 'It did not work. The log of the dashboard has the details.');
}

/** Which queues there are is known once Redis is up, so the first page that is asked for after that makes them. */
export function createQueueBoard(options: {
  manager: Pick<Manager, 'listProviders'>;
  redis: Redis;
  logger: Logger;
}): QueueBoard {
  const { manager, redis, logger } = options;
  const adapter = new ExpressAdapter().setBasePath('/queues');
  const board = createBullBoard({ queues: [], serverAdapter: adapter, options: { uiConfig } });
  // Its own would answer with whatever was thrown, and with a stack trace where NODE_ENV is development.
  adapter.setErrorHandler((error) => toFailure(error, logger));
  // Typed `any` there, so that it suits every version of Express.
  const pages = adapter.getRouter() as Express;
  pages.disable('x-powered-by');
  let directory: QueueDirectory | undefined;
  let listed = '';

  const open = async (): Promise<QueueDirectory> => {
    const providers = await manager.listProviders();
    const ids = providers.map(({ id }) => id);
    // Providers come and go with the configuration.
    if (directory === undefined || listed !== ids.join()) {
      void directory?.close();
      directory = createQueueDirectory(redis, ids, logger);
      listed = ids.join();
      const names = new Map(providers.map(({ id, name }) => [id, name]));
      board.replaceQueues(
        directory.queues.map((queue) => {
          // Removed there, a call that was paid for is in no account.
          const readOnlyMode = persistQueues.some((name) => name === queue.name);
          return new BullMQAdapter(queue, { description: describeQueue(queue.name, names), readOnlyMode });
        }),
      );
    }
    adapter.setUIConfig(providers.some(({ demo }) => demo) ? demoConfig : uiConfig);
    return directory;
  };

  const requireQueues: RequestHandler = async (req, res, next) => {
    try {
      // What providers say may be a second old; the ping tells whether Redis answers now.
      await Promise.all([open(), withRedis(redis, () => redis.ping())]);
    } catch (error) {
      logger.debug({ reason: toModelManagerError(error).message }, 'The queues cannot be shown');
      sendProblem(req, res, 503, { ...queueDown, retrySeconds });
      return;
    }
    next();
  };
  const handler = Router();
  handler.use((req, res, next) => (req.path.startsWith('/static/') ? next() : requireQueues(req, res, next)), pages);

  return {
    handler,
    counts: async () => {
      const opened = await open();
      return withRedis(redis, () => opened.counts());
    },
    close: async () => directory?.close(),
  };
}
