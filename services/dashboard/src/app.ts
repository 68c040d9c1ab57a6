import { fileURLToPath } from 'node:url';
import { createGate, type Manager } from '@aimm/manager';
import type { Redis } from '@aimm/queue';
import type { Logger } from '@aimm/runtime';
import express, { type ErrorRequestHandler, type Express, type RequestHandler } from 'express';
import { createAccess } from './access.ts';
import { requireLocalHost, requireSameOrigin, setSecurityHeaders } from './guards.ts';
import { serveHealth } from './health.ts';
import { loginPages, requireLogin } from './login.ts';
import { metricsPage } from './metrics-page.ts';
import { overviewPage } from './overview/overview-page.ts';
import { createPatientAccess } from './patient-access.ts';
import type { QueueBoard } from './queue-board.ts';
import { sendProblem } from './send-problem.ts';

export interface AppOptions {
  token: string | undefined;
  requireToken: boolean;
  manager: Manager;
  redis: Redis;
  board: QueueBoard;
  logger: Logger;
  now: () => number;
}

const assets = fileURLToPath(new URL('../assets', import.meta.url));

/** Every path of the dashboard, with its guards before it. */
export function createApp({ token, requireToken, manager, redis, board, logger, now }: AppOptions): Express {
  const gate = createGate({ authToken: token, requireToken, identify: (given) => manager.identify(given) });
  const access = createAccess({ gate, token, now });
  const app = express();
  app.disable('x-powered-by');
  app.use(setSecurityHeaders);
  // With a token a page that reached us by a name of its own gets nothing, and a proxy may pass on its public name.
  if (!access.demanded) app.use(requireLocalHost);
  app.use(requireSameOrigin);
  app.use('/assets', express.static(assets, { maxAge: '1h', index: false }));
  app.get('/healthz', serveHealth({ manager, redis, access, now }));
  if (access.demanded) app.use(loginPages(access));
  const scraperAccess = createPatientAccess(access, now);
  app.get('/metrics', requireLogin(scraperAccess), metricsPage({ manager, redis, board, logger, now }));
  app.use(requireLogin(access));
  app.get('/', overviewPage({ manager, redis, board, signedIn: access.demanded, now }));
  app.use('/queues', board.handler);
  app.use(notFound, answerFault(logger));
  return app;
}

const notFound: RequestHandler = (req, res) => {
  sendProblem(req, res, 404, {
    title: 'There is no such page',
    detail: 'The overview is at /, the queues at /queues.',
  });
};

/** Without it Express would show its visitor a stack trace. */
function answerFault(logger: Logger): ErrorRequestHandler {
  return (error: unknown, req, res, next) => {
    if (res.headersSent) return next(error);
    const status = error instanceof Error && 'status' in error ? Number(error.status) : 500;
    if (status >= 400 && status < 500) {
      sendProblem(req, res, status, { title: 'The request could not be read' });
      return;
    }
    logger.error({ err: error, path: req.path }, 'A page failed');
    sendProblem(req, res, 500, { title: 'Something went wrong', detail: 'The log of the dashboard has the details.' });
  };
}
