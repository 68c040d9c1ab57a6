import type { Logger } from '@aimm/runtime';
import type { McpServerFactory, RequestId } from '@modelcontextprotocol/server';
import { serveStdio, StdioServerTransport } from '@modelcontextprotocol/server/stdio';
import { pipeline, type Readable, type Writable } from 'node:stream';
import { invalidMessage, maxMessageBytes, oversizedMessage } from './limits.ts';
import { createLineSplitter } from './split-lines.ts';

export interface StdioTransport {
  /** Resolves when the client has closed its end, or after `close`. */
  readonly ended: Promise<void>;
  close: () => Promise<void>;
}

/** Speaks MCP, of 2026-07-28 and all earlier versions, over stdin and stdout. Nothing else may write to stdout. */
export function startStdio(
  factory: McpServerFactory,
  logger: Logger,
  {
    stdin = process.stdin,
    stdout = process.stdout,
    onListed,
  }: {
    stdin?: Readable;
    stdout?: Writable;
    /** The client has been sent the tools for the first time: from here on it may call one. */
    onListed?: () => void;
  } = {},
): StdioTransport {
  const { promise: ended, resolve: end } = Promise.withResolvers<void>();
  const onerror = (error: Error) => logger.warn({ err: error }, 'MCP connection problem');
  const refuse = (tail: string) => {
    const id = findRequestId(tail);
    logger.warn({ id }, 'A message above the limit was left out');
    if (id === undefined) return;
    const refusal = { jsonrpc: '2.0' as const, id, error: { code: -32_600, message: oversizedMessage } };
    transport.send(refusal).catch(onerror);
  };
  const lines = createLineSplitter({ maxLineBytes: maxMessageBytes, onOversized: refuse });
  // Its end and its failure both close the transport, which listens on the lines.
  pipeline(stdin, lines, () => undefined);
  // The transport listens once for each answer that the client has not read yet.
  stdout.setMaxListeners(0);
  const transport = new StdioServerTransport(lines, stdout, { maxBufferSize: 2 * maxMessageBytes });
  if (onListed !== undefined) afterFirstList(transport, onListed);
  const handle = serveStdio(factory, { transport, onerror });
  // Set after serveStdio has set its own.
  const { onclose, onerror: onfault } = transport;
  transport.onclose = () => {
    onclose?.();
    end();
  };
  // The transport leaves out what is no message and says nothing: whoever asked that way would wait for ever.
  let line: Buffer | undefined;
  lines.prependListener('data', (next: Buffer) => {
    line = next;
    // A line may hold images of many megabytes; it is handled at once or not at all.
    queueMicrotask(() => (line = undefined));
  });
  transport.onerror = (error) => {
    onfault?.(error);
    for (const id of line === undefined ? [] : findRequestIds(line))
      transport.send({ jsonrpc: '2.0', id, error: { code: -32_600, message: invalidMessage } }).catch(onerror);
  };
  return { ended, close: () => handle.close().finally(end) };
}

function afterFirstList(transport: StdioServerTransport, onListed: () => void): void {
  const send = transport.send.bind(transport);
  transport.send = async (...given) => {
    await send(...given);
    const [message] = given;
    if (!('result' in message) || !('tools' in message.result)) return;
    transport.send = send;
    onListed();
  };
}

/** Ids of the requests in a line that is no message of MCP; a batch is none, and holds several. */
function findRequestIds(line: Buffer): RequestId[] {
  const parsed: unknown = parseJson(line.toString('utf8'));
  return (Array.isArray(parsed) ? parsed : [parsed]).flatMap((part: unknown) => {
    // Without a method it is an answer, and answers are not answered.
    if (typeof part !== 'object' || part === null || !('id' in part) || !('method' in part)) return [];
    return typeof part.id === 'string' || typeof part.id === 'number' ? [part.id] : [];
  });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The id of a request of which only the end is left. Clients put it last; where they do not, nobody can be answered. */
function findRequestId(tail: string): RequestId | undefined {
  const found = /"id":\s*(?:(\d+)|"([^"\\]*)")\s*\}\s*$/.exec(tail);
  if (found === null) return undefined;
  return found[1] === undefined ? found[2] : Number(found[1]);
}
