import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** One call as the upstream saw it: what the ledger is compared with. */
export interface UpstreamCall {
  number: number;
  path: string;
  model: string;
  prompt: string;
  authorization: string | undefined;
  headers: IncomingHttpHeaders;
  arrivedAt: number;
  /** Set when the caller went away before the answer was whole. */
  abortedAt?: number;
  answeredAt?: number;
  /** The tokens that its answer named. */
  counts?: { input: number; output: number };
}

export interface UpstreamReply {
  text: string;
  promptTokens: number;
  completionTokens: number;
}

/** What a test makes of a call: the whole answer is written by `answer`, piece by piece where `chunks` says so. */
export type Behaviour = (call: UpstreamCall, tools: UpstreamTools) => Promise<void> | void;

export interface UpstreamTools {
  response: ServerResponse;
  /** Starts the stream and sends pieces of text. */
  write: (text: string) => void;
  /** Ends the stream as the vendor does: finish reason and usage. */
  finish: (reply?: Partial<UpstreamReply>) => void;
  fail: (status: number, body: unknown, headers?: Record<string, string>) => void;
  /** Resolves when the test calls `release()`. */
  held: Promise<void>;
}

/** A vendor's place on loopback: Mistral's wire (also every OpenAI-compatible server's), and a log of each call. */
export interface Upstream {
  readonly url: string;
  readonly calls: readonly UpstreamCall[];
  /** The request bodies of the calls, as they came. */
  readonly bodies: readonly string[];
  behave(behaviour: Behaviour): void;
  /** Resolves when this many calls have arrived in all. */
  arrived(count: number): Promise<void>;
  /** Resolves when this many calls were aborted by the caller in all. */
  aborted(count: number): Promise<void>;
  release(): void;
  stop(): Promise<void>;
}

/** Answers `echo: <prompt>` in two pieces, 10 + 5 tokens. */
export const echo: Behaviour = (call, { write, finish }) => {
  write('echo: ');
  write(call.prompt);
  finish();
};

export async function startUpstream(): Promise<Upstream> {
  const calls: UpstreamCall[] = [];
  const bodies: string[] = [];
  let behaviour: Behaviour = echo;
  let held = Promise.withResolvers<void>();
  const watchers = new Set<() => void>();
  const changed = () => watchers.forEach((watch) => watch());
  const until = (condition: () => boolean) =>
    new Promise<void>((resolve) => {
      const watch = () => {
        if (!condition()) return;
        watchers.delete(watch);
        resolve();
      };
      watchers.add(watch);
      watch();
    });

  const server = createServer((request, response) => void handle(request, response));
  const handle = async (request: IncomingMessage, response: ServerResponse) => {
    const text = await readAll(request);
    const body = JSON.parse(text || '{}') as CallBody;
    if (request.method === 'GET') {
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ object: 'list', data: [] }));
      return;
    }
    // Each vendor's word for the conversation; only Mistral's wire is answered, but any may be refused.
    const last = (body.messages ?? body.input)?.at(-1)?.content ?? body.contents?.at(-1)?.parts;
    const call: UpstreamCall = {
      number: calls.length + 1,
      path: request.url ?? '',
      model: body.model ?? /models\/([^:/]+):/.exec(request.url ?? '')?.[1] ?? '',
      prompt: toText(last),
      authorization: request.headers.authorization,
      headers: request.headers,
      arrivedAt: Date.now(),
    };
    calls.push(call);
    bodies.push(text);
    response.on('close', () => {
      if (!response.writableFinished) call.abortedAt = Date.now();
      changed();
    });
    changed();
    await behaviour(call, tools(call, response));
  };

  const tools = (call: UpstreamCall, response: ServerResponse): UpstreamTools => {
    const chunk = (delta: object, finishReason: string | null, usage?: object) => {
      if (!response.headersSent) response.writeHead(200, { 'content-type': 'text/event-stream' });
      const choices = [{ index: 0, delta, finish_reason: finishReason }];
      const event = {
        id: `call-${call.number}`,
        object: 'chat.completion.chunk',
        created: 1,
        model: call.model,
        choices,
        ...(usage && { usage }),
      };
      response.write(`data: ${JSON.stringify(event)}\n\n`);
    };
    return {
      response,
      held: held.promise,
      write: (text) => chunk({ role: 'assistant', content: text }, null),
      finish({ text = '', promptTokens = 10, completionTokens = 5 } = {}) {
        const usage = {
          prompt_tokens: promptTokens,
          completion_tokens: completionTokens,
          total_tokens: promptTokens + completionTokens,
        };
        // Before it is sent: whoever has the answer finds it noted.
        call.counts = { input: promptTokens, output: completionTokens };
        chunk({ content: text }, 'stop', usage);
        response.end('data: [DONE]\n\n');
        call.answeredAt = Date.now();
      },
      fail(status, payload, headers = {}) {
        response.writeHead(status, { 'content-type': 'application/json', ...headers });
        response.end(JSON.stringify(payload));
      },
    };
  };

  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    calls,
    bodies,
    behave: (next) => void (behaviour = next),
    arrived: (count) => until(() => calls.length >= count),
    aborted: (count) => until(() => calls.filter(({ abortedAt }) => abortedAt !== undefined).length >= count),
    release() {
      held.resolve();
      held = Promise.withResolvers();
    },
    async stop() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

interface CallBody {
  model?: string;
  messages?: { content?: unknown }[];
  input?: { content?: unknown }[];
  contents?: { parts?: unknown }[];
}

/** A message's content: a string, or parts of which the text counts. */
function toText(content: unknown): string {
  if (typeof content === 'string') return content;
  const parts = Array.isArray(content) ? (content as { text?: string }[]) : [];
  return parts.map(({ text = '' }) => text).join('');
}

async function readAll(request: IncomingMessage): Promise<string> {
  const pieces: Buffer[] = [];
  for await (const piece of request) pieces.push(piece as Buffer);
  return Buffer.concat(pieces).toString('utf8');
}
