import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { Manager } from '@aimm/manager';
import { createSharedClock, type Redis } from '@aimm/queue';
import type { Logger } from '@aimm/runtime';
import { createApp } from './app.ts';
import { createQueueBoard } from './queue-board.ts';
import type { DashboardSettings } from './settings.ts';

export interface DashboardOptions {
  settings: DashboardSettings;
  manager: Manager;
  /** A connection that fails fast (`connectFront`): a page must answer when Redis does not. Stays the caller's. */
  redis: Redis;
  logger: Logger;
  /** Epoch milliseconds; default: Redis' time, which the ages in it are told by. */
  now?: () => number;
}

export interface Dashboard {
  /** Where a browser finds it, with the port that was really taken. */
  readonly url: string;
  close(): Promise<void>;
}

/** The address cannot be listened on. The message names the variable to change. */
export class ListenError extends Error {
  override name = 'ListenError';
}

/** Pages under way may take this long when the dashboard closes. */
const finishWithinMs = 2_000;

/** For a browser that does not say what it wants; Node would wait minutes. Nothing large is ever sent here. */
const patience = { headersTimeout: 10_000, requestTimeout: 15_000, connectionsCheckingInterval: 1_000 };

/**
 * Serves the dashboard. Waits neither for Redis nor for the database: pages say what is down.
 * @throws ListenError
 */
export async function startDashboard(options: DashboardOptions): Promise<Dashboard> {
  const { settings, manager, redis, logger } = options;
  const clock = createSharedClock(redis, logger);
  const { now = clock.now } = options;
  const board = createQueueBoard({ manager, redis, logger });
  const server = createServer(patience, createApp({ ...settings, manager, redis, board, logger, now }));
  const port = await listen(server, settings);
  return {
    url: `http://${toBrowserHost(settings.host)}:${port}`,
    async close() {
      const closed = once(server, 'close');
      server.close();
      const timer = setTimeout(() => server.closeAllConnections(), finishWithinMs);
      await closed;
      clearTimeout(timer);
      await board.close();
      clock.close();
    },
  };
}

async function listen(server: Server, { host, port }: DashboardSettings): Promise<number> {
  try {
    await once(server.listen(port, host), 'listening');
  } catch (error) {
    throw new ListenError(explain(error, host, port), { cause: error });
  }
  const address = server.address();
  return address === null || typeof address === 'string' ? port : address.port;
}

function explain(error: unknown, host: string, port: number): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  switch (code) {
    case 'EADDRINUSE':
      return `The dashboard cannot listen on ${host}:${port}: another process does (perhaps another dashboard). Set DASHBOARD_PORT to a free port, or to 0 for any.`;
    case 'EACCES':
      return `The dashboard may not listen on ${host}:${port}. Set DASHBOARD_PORT to a port above 1023.`;
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return `The dashboard cannot listen on ${host}:${port}: DASHBOARD_HOST is no address of this machine.`;
    default:
      return `The dashboard cannot listen on ${host}:${port} (DASHBOARD_HOST, DASHBOARD_PORT): ${String(error)}`;
  }
}

/** A wildcard is no address to go to. */
function toBrowserHost(host: string): string {
  const reachable = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host;
  return reachable.includes(':') ? `[${reachable}]` : reachable;
}
