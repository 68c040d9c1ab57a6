import { fileURLToPath } from 'node:url';
import { Client, StreamableHTTPClientTransport, type Tool, type Transport } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { AjvJsonSchemaValidator } from '@modelcontextprotocol/client/validators/ajv';

export const binPath = fileURLToPath(new URL('../../services/cli/bin/aimm.mjs', import.meta.url));

export const eras = ['2025-11-25', '2026-07-28'] as const;
export type Era = (typeof eras)[number];

/** How a client reaches the server. */
export interface Face {
  transport: 'stdio' | 'HTTP';
  era: Era;
  /** What the client declares besides; default: nothing. */
  extensions?: Record<string, Record<string, never>>;
}
export const faces: readonly Face[] = (['stdio', 'HTTP'] as const).flatMap((transport) =>
  eras.map((era) => ({ transport, era })),
);
/** One of each kind, where a version makes no difference. */
export const mixedFaces: readonly Face[] = [
  { transport: 'stdio', era: '2025-11-25' },
  { transport: 'HTTP', era: '2026-07-28' },
];

/** One `notifications/progress`, as the client's application gets it. */
export interface Progress {
  progress: number;
  total?: number | undefined;
  message?: string | undefined;
}

/** A tool's result; `structured` was held against the tool's output schema. */
export interface ToolOutcome {
  /** Progress of this call as it came over the wire; all of it before the result, or the call throws. */
  progress: Progress[];
  isError: boolean;
  /** The text blocks, joined. */
  text: string;
  // oxlint-disable-next-line typescript/no-explicit-any -- whatever the schema, which was checked, says; tests look into it
  structured: any;
}

export interface CallOptions {
  signal?: AbortSignal;
  /** Asks for progress. The SDK's client drops a last one that comes in one piece with the result; {@link ToolOutcome} has it. */
  onProgress?: (progress: Progress) => void;
}

/** A real MCP client, and all that it ever received. */
export interface McpClient {
  readonly client: Client;
  /** Every message from the server, as JSON. */
  readonly received: readonly string[];
  /** What the server's process wrote to stderr; empty over HTTP. */
  log(): string;
  /** Undefined over HTTP. */
  readonly pid: number | undefined;
  call(tool: string, args?: Record<string, unknown>, options?: CallOptions): Promise<ToolOutcome>;
  close(): Promise<void>;
}

/** Starts `aimm mcp` with this environment and speaks with it over stdin and stdout. */
export async function connectStdio(
  env: Record<string, string>,
  era: Era,
  extensions?: Face['extensions'],
): Promise<McpClient> {
  const { PATH = '', HOME = '' } = process.env;
  const transport = new StdioClientTransport({
    command: process.execPath,
    args: [binPath, 'mcp'],
    env: { PATH, HOME, ...env },
    stderr: 'pipe',
  });
  let log = '';
  transport.stderr?.on('data', (piece: Buffer) => (log += piece.toString()));
  return connect(transport, era, { log: () => log, pid: () => transport.pid ?? undefined }, extensions);
}

export async function connectHttp(
  url: string,
  era: Era,
  headers: Record<string, string> = {},
  extensions?: Face['extensions'],
): Promise<McpClient> {
  const transport = new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } });
  return connect(transport, era, { log: () => '', pid: () => undefined }, extensions);
}

async function connect(
  transport: Transport,
  era: Era,
  { log, pid }: { log: () => string; pid: () => number | undefined },
  extensions: Face['extensions'],
): Promise<McpClient> {
  const received: string[] = [];
  const sent: SentCall[] = [];
  const mode = era === '2026-07-28' ? { pin: era } : 'legacy';
  const client = new Client(
    { name: 'e2e', version: '1.0.0' },
    { versionNegotiation: { mode }, ...(extensions && { capabilities: { extensions } }) },
  );
  await client.connect(record(transport, received, sent));
  const validator = new AjvJsonSchemaValidator();
  let tools: Promise<Tool[]> | undefined;

  return {
    client,
    received,
    log,
    pid: pid(),
    async call(name, args = {}, { signal, onProgress } = {}) {
      tools ??= client.listTools().then((list) => list.tools);
      const tool = (await tools).find((listed) => listed.name === name);
      if (tool?.outputSchema === undefined) throw new Error(`no tool ${name} with an output schema`);
      const own = { ...args };
      const result = await client.callTool(
        { name, arguments: own },
        { ...(signal && { signal }), ...(onProgress && { onprogress: onProgress }) },
      );
      const { structuredContent } = result;
      if (structuredContent !== undefined || result.isError !== true) {
        const validity = validator.getValidator(tool.outputSchema)(structuredContent);
        if (!validity.valid) throw new Error(`${name} answered against its schema: ${validity.errorMessage}`);
      }
      return {
        isError: result.isError === true,
        text: result.content.map((block) => (block.type === 'text' ? block.text : `[${block.type}]`)).join('\n'),
        structured: structuredContent,
        progress: findProgress(
          received,
          sent.find((call) => call.args === own),
        ),
      };
    },
    close: () => client.close(),
  };
}

interface SentCall {
  id: unknown;
  args: unknown;
  token: unknown;
}

/** The transport, with a copy of what passes; the client sets its handlers on it as on any other. */
function record(transport: Transport, received: string[], sent: SentCall[]): Transport {
  const send: Transport['send'] = (message, options) => {
    if ('id' in message && 'params' in message && message.method === 'tools/call')
      sent.push({
        id: message.id,
        args: message.params?.['arguments'],
        token: message.params?._meta?.['progressToken'],
      });
    return transport.send(message, options);
  };
  return new Proxy(transport, {
    get(target, key) {
      if (key === 'send') return send;
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
    set(target, key, value: unknown) {
      if (key !== 'onmessage' || typeof value !== 'function') return Reflect.set(target, key, value, target);
      const handler: Transport['onmessage'] = (message, extra) => {
        received.push(JSON.stringify(message));
        value(message, extra);
      };
      return Reflect.set(target, key, handler, target);
    },
  });
}

/** @throws when the call's progress went on after its result */
function findProgress(received: readonly string[], call: SentCall | undefined): Progress[] {
  if (call === undefined) throw new Error('the call was never sent');
  const messages = received.map(
    (json) => JSON.parse(json) as { id?: unknown; params?: Progress & { progressToken?: unknown } },
  );
  const end = messages.findIndex(({ id }) => id === call.id);
  const own = messages.flatMap(({ params }, index) =>
    call.token !== undefined && params?.progressToken === call.token ? [{ index, params }] : [],
  );
  if (own.some(({ index }) => index > end)) throw new Error('progress came after the result');
  return own.map(({ params: { progress, total, message } }) => ({ progress, total, message }));
}
