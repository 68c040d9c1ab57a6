import type { Manager } from '@aimm/manager';
import { InMemoryTransport, type JSONRPCMessage } from '@modelcontextprotocol/server';
import { serveStdio } from '@modelcontextprotocol/server/stdio';
import { onTestFinished } from 'vitest';
import { createMcpServer, type McpServerOptions } from '../../src/server.ts';
import { serverOptions } from './connect.ts';

type Json = Record<string, unknown>;

/** What came back for one request. */
export interface RawAnswer {
  result?: Json;
  error?: { code: number; message: string; data?: unknown };
}

export interface RawClient {
  /** `tasks`: whether this request declares them, where it differs from the others. */
  ask(
    method: string,
    params?: Json,
    options?: { tasks?: boolean; onprogress?: (params: Json) => void },
  ): Promise<RawAnswer>;
  tell(method: string, params: Json): Promise<void>;
  /** The id that the next request has. */
  nextId(): number;
}

/** What a request of protocol 2026-07-28 brings, with or without the extension for tasks. */
function modernMeta(tasks: boolean): Json {
  return {
    'io.modelcontextprotocol/protocolVersion': '2026-07-28',
    'io.modelcontextprotocol/clientInfo': { name: 'raw', version: '1' },
    'io.modelcontextprotocol/clientCapabilities': tasks ? { extensions: { 'io.modelcontextprotocol/tasks': {} } } : {},
  };
}

/**
 * A client that knows tasks, which the SDK's does not: it refuses every kind of result but a tool's. `era` 2025-11-25
 * declares the extension in its handshake, where it means nothing.
 */
export async function connectRaw(
  manager: Manager | (() => Promise<Manager>),
  {
    tasks = true,
    era = '2026-07-28',
    ...options
  }: Partial<McpServerOptions> & { tasks?: boolean; era?: '2025-11-25' | '2026-07-28' } = {},
): Promise<RawClient> {
  const [clientSide, serverSide] = InMemoryTransport.createLinkedPair();
  const handle = serveStdio(createMcpServer(await serverOptions(manager, options)), { transport: serverSide });
  onTestFinished(() => handle.close());
  const waiting = new Map<unknown, (answer: RawAnswer) => void>();
  const listening = new Map<unknown, (params: Json) => void>();
  clientSide.onmessage = (message: JSONRPCMessage) => {
    if ('method' in message) listening.get(message.params?.['progressToken'])?.(message.params ?? {});
    else waiting.get(message.id)?.(message);
  };
  await clientSide.start();
  let id = 0;
  const send = (method: string, params: Json, meta: Json) => {
    id += 1;
    const { promise, resolve } = Promise.withResolvers<RawAnswer>();
    waiting.set(id, resolve);
    void clientSide.send({ jsonrpc: '2.0', id, method, params: { ...params, _meta: meta } });
    return promise;
  };
  if (era === '2025-11-25') {
    const capabilities = { extensions: { 'io.modelcontextprotocol/tasks': {} } };
    await send('initialize', { protocolVersion: era, capabilities, clientInfo: { name: 'raw', version: '1' } }, {});
    await clientSide.send({ jsonrpc: '2.0', method: 'notifications/initialized' });
  }
  return {
    nextId: () => id + 1,
    ask(method, params = {}, { tasks: declared = tasks, onprogress } = {}) {
      const token = `p${id + 1}`;
      if (onprogress !== undefined) listening.set(token, onprogress);
      return send(method, params, {
        ...(era === '2026-07-28' && modernMeta(declared)),
        ...(onprogress !== undefined && { progressToken: token }),
      });
    },
    tell: (method, params) => clientSide.send({ jsonrpc: '2.0', method, params }),
  };
}
