import type { Manager } from '@aimm/manager';
import { createLogger } from '@aimm/runtime';
import { Client } from '@modelcontextprotocol/client';
import { InMemoryTransport } from '@modelcontextprotocol/server';
import { serveStdio } from '@modelcontextprotocol/server/stdio';
import { onTestFinished } from 'vitest';
import { createMcpServer, type McpServerOptions } from '../../src/server.ts';

export const eras = ['2025-11-25', '2026-07-28'] as const;
export type Era = (typeof eras)[number];

export const caller = { client: 'tester', admin: true };

export async function serverOptions(
  manager: Manager | (() => Promise<Manager>),
  options: Partial<McpServerOptions> = {},
): Promise<McpServerOptions> {
  return {
    manager: typeof manager === 'function' ? manager : () => Promise.resolve(manager),
    caller,
    version: '9.9.9',
    logger: await createLogger({ name: 'test', level: 'silent', format: 'json' }),
    maxPromptBytes: 1000,
    ...options,
  };
}

export function createClient(era: Era): Client {
  const mode = era === '2026-07-28' ? { pin: era } : 'legacy';
  return new Client({ name: 'test-client', version: '1.0.0' }, { versionNegotiation: { mode } });
}

/** A real client on a server of ours, as over stdio; `close` ends the connection as the end of stdin does. */
export async function connect(
  manager: Manager | (() => Promise<Manager>),
  { era = '2026-07-28', ...options }: Partial<McpServerOptions> & { era?: Era } = {},
): Promise<Client> {
  const [clientSide, serverSide] = InMemoryTransport.createLinkedPair();
  const handle = serveStdio(createMcpServer(await serverOptions(manager, options)), { transport: serverSide });
  const client = createClient(era);
  await client.connect(clientSide);
  onTestFinished(async () => {
    await client.close();
    await handle.close();
  });
  return client;
}

export interface ToolOutcome {
  isError: boolean;
  /** One entry per content block. */
  text: string[];
  structured: Record<string, unknown> | undefined;
}

export async function callTool(
  client: Client,
  name: string,
  args: Record<string, unknown>,
  options?: Parameters<Client['callTool']>[1],
): Promise<ToolOutcome> {
  const result = await client.callTool({ name, arguments: args }, options);
  return {
    isError: result.isError === true,
    text: result.content.map((block) => (block.type === 'text' ? block.text : block.type)),
    structured: result.structuredContent as Record<string, unknown> | undefined,
  };
}
