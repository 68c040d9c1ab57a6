/**
 * The shortest MCP server over a queue that there is: one tool, the SDK's own handler, bare BullMQ. No limits, no accounting, no
 * checks. Arguments: Redis' socket, and `--http` for HTTP, else stdio.
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { createMcpHandler, McpServer } from '@modelcontextprotocol/server';
import { serveStdio } from '@modelcontextprotocol/server/stdio';
import { z } from 'zod';
import { openBareQueue } from './bare-queue.ts';

const [path = '', transport] = process.argv.slice(2);
const queue = openBareQueue(path, 'bare-calls');

function createFront(): McpServer {
  const server = new McpServer({ name: 'bare', version: '1' });
  const inputSchema = z.object({ prompt: z.string(), model: z.string() });
  server.registerTool('generate', { inputSchema }, async () => ({
    content: [{ type: 'text' as const, text: await queue.ask() }],
  }));
  return server;
}

function toRequest({ method = 'GET', headers }: IncomingMessage): Request {
  return new Request(new URL('/mcp', 'http://localhost'), { method, headers: headers as Record<string, string> });
}

if (transport === '--http') {
  const handler = createMcpHandler(createFront);
  const server = createServer((incoming, outgoing) => {
    void (async () => {
      const body = await text(incoming);
      const answer = await handler.fetch(toRequest(incoming), body === '' ? {} : { parsedBody: JSON.parse(body) });
      outgoing.writeHead(answer.status, Object.fromEntries(answer.headers));
      outgoing.end(await answer.text());
    })();
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  process.send?.({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp` });
} else {
  serveStdio(createFront);
}
process.on('SIGTERM', () => process.exit(0));
