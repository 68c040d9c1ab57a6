import { isWithinDepth } from '@aimm/batch/input';
import type { Gate } from '@aimm/manager';
import { ConfigError, type ConfigFault, type Logger, type RuntimeEnvironment, isLoopbackName } from '@aimm/runtime';
import { hostHeaderValidation, originValidation } from '@modelcontextprotocol/express';
import { createMcpHandler, type McpServerFactory } from '@modelcontextprotocol/server';
import express, { type ErrorRequestHandler, type RequestHandler } from 'express';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { requireAdmission } from './bearer.ts';
import { createLegacySessions } from './legacy-sessions.ts';
import { maxMessageBytes, maxMessageDepth, oversizedMessage, patience } from './limits.ts';
import { createWebAdapter } from './web-adapter.ts';

type HttpSettings = Pick<RuntimeEnvironment, 'HTTP_HOST' | 'HTTP_PORT'>;

export interface HttpTransport {
  /** Where clients connect, such as `http://127.0.0.1:3920/mcp`. */
  url: string;
  /** Takes no more, lets running calls answer for `graceMs`, then closes what is left. */
  close: (graceMs?: number) => Promise<void>;
}

/** An address that others reach needs a token: without one, anybody could spend the owner's money. */
function checkHttpSettings({ HTTP_HOST: host }: HttpSettings, gate: Gate): ConfigFault[] {
  if (isLoopbackName(host) || gate.demanded) return [];
  const expected = `a token of at least 16 characters, since HTTP_HOST ${host} can be reached from other machines (or set AIMM_REQUIRE_TOKEN=on, or HTTP_HOST=127.0.0.1)`;
  return [{ source: 'environment', path: 'AIMM_AUTH_TOKEN', expected }];
}

/**
 * Speaks MCP, of 2026-07-28 and all earlier versions, as Streamable HTTP at `/mcp`; `/healthz` says that it is up.
 *
 * @throws ConfigError when the address needs a token or is taken
 */
export async function startHttp(
  factory: McpServerFactory,
  settings: HttpSettings,
  gate: Gate,
  logger: Logger,
): Promise<HttpTransport> {
  const faults = checkHttpSettings(settings, gate);
  if (faults.length > 0) throw new ConfigError(faults);

  const sessions = createLegacySessions();
  const onerror = (error: Error) => logger.debug({ err: error }, 'MCP request problem');
  const handler = createMcpHandler(sessions.wrap(factory), { onerror });
  const calls = countCalls();

  const app = express();
  app.disable('x-powered-by');
  app.get('/healthz', (_req, res) => void res.json({ status: 'ok' }));
  app.all(
    '/mcp',
    // Before the body is read: strangers must not make us hold 32 MB.
    requireAdmission(gate),
    ...requireNames(settings.HTTP_HOST),
    express.json({ limit: maxMessageBytes }),
    requireKnownMethod,
    requireDepth,
    calls.middleware,
    sessions.middleware,
    createWebAdapter(handler),
  );
  app.use(answerFault);

  const server = createServer(patience, app);
  const { HTTP_HOST: host, HTTP_PORT: port } = settings;
  await listen(server, host, port);
  const address = server.address();
  const realPort = address === null || typeof address === 'string' ? port : address.port;

  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${realPort}/mcp`,
    async close(graceMs = 10_000) {
      const closed = once(server, 'close');
      server.close();
      await Promise.race([calls.idle(), delay(graceMs, undefined, { ref: false })]);
      await handler.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

async function listen(server: ReturnType<typeof createServer>, host: string, port: number): Promise<void> {
  try {
    await once(server.listen(port, host), 'listening');
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    const fault = (path: string, expected: string) => new ConfigError([{ source: 'environment', path, expected }]);
    if (code === 'EADDRINUSE')
      throw fault('HTTP_PORT', `a free port: another process listens on ${host}:${port} already`);
    if (code === 'EACCES') throw fault('HTTP_PORT', `a port this user may listen on, not ${port}`);
    if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND')
      throw fault('HTTP_HOST', `an address of this machine, not ${host}`);
    throw error;
  }
}

/**
 * Host and Origin, against pages that reach for local servers by a name of their own (DNS rebinding). Bound elsewhere,
 * the token protects and the names that lead here are unknown, so any Host passes; foreign pages still do not.
 */
function requireNames(host: string): RequestHandler[] {
  const names = ['localhost', '127.0.0.1', '[::1]', host.includes(':') ? `[${host}]` : host];
  return [...(isLoopbackName(host) ? [hostHeaderValidation(names)] : []), originValidation(names)];
}

/** Calls under way; a stream of change notices is none, it would never end. */
function countCalls(): { middleware: RequestHandler; idle: () => Promise<void> } {
  let running = 0;
  const waiting: (() => void)[] = [];
  return {
    middleware(req, res, next) {
      const body: unknown = req.body;
      const listens =
        typeof body === 'object' && body !== null && 'method' in body && body.method === 'subscriptions/listen';
      if (!listens) {
        running += 1;
        res.once('close', () => {
          running -= 1;
          if (running === 0) for (const resolve of waiting.splice(0)) resolve();
        });
      }
      next();
    },
    idle: () => (running === 0 ? Promise.resolve() : new Promise((resolve) => waiting.push(resolve))),
  };
}

/** The handler fails on methods that a web `Request` cannot have, such as TRACE. */
const requireKnownMethod: RequestHandler = (req, res, next) => {
  if (['GET', 'POST', 'DELETE'].includes(req.method)) return next();
  const error = { code: -32_000, message: 'Method not allowed: messages come by POST.' };
  res.status(405).set('Allow', 'GET, POST, DELETE').json({ jsonrpc: '2.0', id: null, error });
};

/** What is nested more deeply than any message makes whoever walks through it fail. */
const requireDepth: RequestHandler = (req, res, next) => {
  if (isWithinDepth(req.body, maxMessageDepth)) return next();
  const message = `Invalid request: the message has more than ${maxMessageDepth} levels inside each other.`;
  res.status(400).json({ jsonrpc: '2.0', id: null, error: { code: -32_600, message } });
};

/** Faults that come before MCP does, as the JSON-RPC that clients read. */
const answerFault: ErrorRequestHandler = (error: unknown, _req, res, _next) => {
  const status = error instanceof Error && 'status' in error ? Number(error.status) : 500;
  const [code, message] =
    status === 413
      ? [-32_600, oversizedMessage]
      : status < 500
        ? [-32_700, 'Parse error: the body is not valid JSON.']
        : [-32_603, 'Internal error'];
  res.status(status).json({ jsonrpc: '2.0', id: null, error: { code, message } });
};
