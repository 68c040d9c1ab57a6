import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type BatchKind } from './batch-wires.ts';
import { type Exchange, speakers } from './batch-speakers.ts';

/** What becomes of a request: an answer, a refusal with a status, or an end without either. */
export type Fate = { answer: object } | { status: number; body: object } | 'expired' | 'cancelled' | 'unmentioned';

export interface KeptBatch {
  id: string;
  name: string | undefined;
  createdAt: number;
  state: 'validating' | 'running' | 'ending' | 'ended' | 'failed' | 'expired' | 'cancelled';
  requests: { id: string; body: Record<string, unknown> }[];
  inputFile: string | undefined;
  /** What OpenAI says of one that failed. */
  failure?: object;
  /** It failed when it had begun: what it had done by then is there to be read. OpenAI's never do. */
  begun?: boolean;
}

/** OpenAI's words where too many tokens of a model wait already: the batch is taken, and fails when it is looked at. */
export const noRoom = {
  code: 'token_limit_exceeded',
  message:
    'Enqueued token limit reached for m-1 in organization org-x. Limit: 90,000 enqueued tokens. ' +
    'Please try again once some in_progress batches have been completed.',
  line: null,
  param: null,
};

export interface BatchServer {
  url: string;
  batches: KeptBatch[];
  files: Map<string, string>;
  received: { method: string; path: string; headers: IncomingHttpHeaders }[];
  /** Of each request, when results are read. */
  fateOf: (id: string, body: Record<string, unknown>) => Fate;
  /** What is done to the lines of results, in the order in which they are sent. */
  tamper: (lines: string[]) => string[];
  /** The line is cut after so many bytes of the next results. */
  cutAfterBytes: number | undefined;
  /** Answers the next request that it accepts, in the place of the vendor. */
  refuse:
    | ((
        method: string,
        path: string,
        headers: IncomingHttpHeaders,
      ) => { status: number; headers?: Record<string, string>; body: object } | undefined)
    | undefined;
  /** The next batch is made, and whoever made it never hears of it: the line breaks, or a gateway answers with this status. */
  losesAnswer: boolean | number;
  end(state: KeptBatch['state']): void;
  close(): Promise<void>;
}

/** A vendor's batch API over HTTP on loopback, as its documentation has it: it keeps files and batches. */
export async function startBatchServer(kind: BatchKind): Promise<BatchServer> {
  const speak = speakers[kind];
  const http = createServer((request, response) => {
    void (async () => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      const url = new URL(request.url ?? '/', server.url);
      const method = request.method ?? '';
      server.received.push({ method, path: url.pathname, headers: request.headers });
      const refusal = server.refuse?.(method, url.pathname, request.headers);
      if (refusal !== undefined) return sendJson(response, refusal.status, refusal.body, refusal.headers);
      const exchange: Exchange = {
        method,
        path: url.pathname,
        query: url.searchParams,
        headers: request.headers,
        body: Buffer.concat(chunks),
        server,
        json: (body, headers) => sendJson(response, 200, body, headers),
        lines: (lines) => sendLines(response, lines, server),
        keep: (batch) => {
          const kept = { id: `batch-${randomUUID()}`, createdAt: Date.now(), state: 'validating' as const, ...batch };
          server.batches.unshift(kept);
          const { losesAnswer: lost } = server;
          server.losesAnswer = false;
          if (lost === false) return kept;
          if (lost === true) response.destroy();
          else sendJson(response, lost, { error: { message: 'upstream reset before headers' } });
          return undefined;
        },
      };
      if (!(await speak(exchange))) sendJson(response, 404, { error: { message: 'nothing here', code: 'not_found' } });
    })();
  });
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  const { port } = http.address() as AddressInfo;
  const server: BatchServer = {
    url: `http://127.0.0.1:${port}`,
    batches: [],
    files: new Map(),
    received: [],
    fateOf: () => 'unmentioned',
    tamper: (lines) => lines.toReversed(),
    cutAfterBytes: undefined,
    refuse: undefined,
    losesAnswer: false,
    end: (state) => {
      for (const batch of server.batches) batch.state = state;
    },
    async close() {
      http.close();
      http.closeAllConnections();
      await once(http, 'close');
    },
  };
  return server;
}

function sendJson(response: ServerResponse, status: number, body: object, headers: Record<string, string> = {}): void {
  if (response.destroyed) return;
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
}

/** In pieces that fall where they fall, so that a line, and a letter, may be split. */
function sendLines(response: ServerResponse, lines: string[], server: BatchServer): void {
  const bytes = Buffer.from(
    server
      .tamper(lines)
      .map((line) => `${line}\n`)
      .join(''),
  );
  const until = server.cutAfterBytes ?? bytes.length;
  const isCut = server.cutAfterBytes !== undefined;
  server.cutAfterBytes = undefined;
  response.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': bytes.length });
  for (let at = 0; at < until; at += 97) response.write(bytes.subarray(at, Math.min(at + 97, until)));
  if (isCut) response.write('', () => response.destroy());
  else response.end();
}
