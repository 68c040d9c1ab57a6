import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';

export interface Received {
  method: string;
  path: string;
  headers: IncomingHttpHeaders;
  /** The JSON that was sent; undefined without a body. */
  body: unknown;
  /** Resolves when the client's connection of this request is gone before the answer was complete. */
  gone: Promise<void>;
}

export type Answer = (response: ServerResponse, request: Received) => void;

export interface VendorServer {
  url: string;
  received: Received[];
  connections: () => number;
  /** How the next requests are answered. */
  answer: Answer;
  close(): Promise<void>;
}

/** The vendor's HTTP side on loopback: answers as told, remembers what came. */
export async function startVendorServer(): Promise<VendorServer> {
  let connections = 0;
  const server = createServer((request, response) => {
    void receive(request, response).then((received) => {
      vendor.received.push(received);
      vendor.answer(response, received);
    });
  });
  server.on('connection', () => (connections += 1));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const vendor: VendorServer = {
    url: `http://127.0.0.1:${port}`,
    received: [],
    connections: () => connections,
    answer: (response) => response.writeHead(500).end(),
    async close() {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
  return vendor;
}

async function receive(request: IncomingMessage, response: ServerResponse): Promise<Received> {
  const { promise: gone, resolve } = Promise.withResolvers<void>();
  response.on('close', () => {
    if (!response.writableFinished) resolve();
  });
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const text = Buffer.concat(chunks).toString();
  return {
    method: request.method ?? '',
    path: request.url ?? '',
    headers: request.headers,
    body: text === '' ? undefined : JSON.parse(text),
    gone,
  };
}

export function sendJson(status: number, body: unknown, headers: Record<string, string> = {}): Answer {
  return (response) => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers });
    response.end(typeof body === 'string' ? body : JSON.stringify(body));
  };
}

/** Sends events one by one and ends, unless told to `hang` or to `cut` the line. */
export function sendEvents(
  contentType: string,
  events: readonly string[],
  then: 'end' | 'hang' | 'cut' = 'end',
): Answer {
  return (response) => {
    response.writeHead(200, { 'content-type': contentType, 'x-request-id': 'req-1' });
    response.write(events.join(''), () => {
      if (then === 'end') response.end();
      if (then === 'cut') response.destroy();
    });
  };
}

/** The same as a proxy sends it that compresses everything, asked or not. */
export function sendCompressed(contentType: string, events: readonly string[]): Answer {
  return (response) => {
    response.writeHead(200, { 'content-type': contentType, 'content-encoding': 'gzip' });
    response.end(gzipSync(events.join('')));
  };
}
