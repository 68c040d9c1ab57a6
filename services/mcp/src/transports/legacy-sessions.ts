import { type AuthInfo, type McpServer, type McpServerFactory, Server } from '@modelcontextprotocol/server';
import type { RequestHandler } from 'express';
import { randomUUID } from 'node:crypto';
import { findCaller } from './bearer.ts';

/**
 * Makes `notifications/cancelled` work for clients of 2025 versions over HTTP.
 *
 * Each of their requests is served by a server of its own, so a cancel, which comes as a request of its own, meets
 * nobody. A session id binds them: given with `initialize`, never demanded, and held by no state but the calls that
 * run. A front that was restarted, or another one behind the same balancer, goes on without it.
 */
export interface LegacySessions {
  /** Before the body is handed to the MCP handler. */
  middleware: RequestHandler;
  wrap(factory: McpServerFactory): McpServerFactory;
}

const header = 'mcp-session-id';

export function createLegacySessions(): LegacySessions {
  const running = new Map<string, Set<McpServer | Server>>();

  return {
    middleware(req, res, next) {
      const body: unknown = req.body;
      const session = req.get(header);
      if (hasMethod(body, 'initialize') && session === undefined) res.setHeader(header, randomUUID());
      if (hasMethod(body, 'notifications/cancelled') && session !== undefined)
        for (const server of running.get(toKey(session, req)) ?? []) deliver(server, body);
      next();
    },
    wrap: (factory) => async (ctx) => {
      const server = await factory(ctx);
      const session = ctx.requestInfo?.headers.get(header);
      if (ctx.era === 'modern' || session === null || session === undefined) return server;
      const key = toKey(session, { auth: ctx.authInfo });
      const servers = running.get(key) ?? new Set();
      running.set(key, servers.add(server));
      const low = server instanceof Server ? server : server.server;
      const { onclose } = low;
      low.onclose = () => {
        onclose?.();
        servers.delete(server);
        if (servers.size === 0 && running.get(key) === servers) running.delete(key);
      };
      return server;
    },
  };
}

/** A session is its client's: who learned of another's id cannot end calls with it. */
function toKey(session: string, { auth }: { auth?: AuthInfo | undefined }): string {
  return `${findCaller(auth)?.client} ${session}`;
}

interface Cancellation {
  jsonrpc: '2.0';
  method: string;
  params?: Record<string, unknown>;
}

/** A server that does not run the request in question ignores it. */
function deliver(server: McpServer | Server, message: Cancellation): void {
  const { transport } = server instanceof Server ? server : server.server;
  transport?.onmessage?.(message);
}

function hasMethod(body: unknown, method: string): body is Cancellation {
  return typeof body === 'object' && body !== null && 'method' in body && body.method === method;
}
