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
}
export const faces: readonly Face[] = (['stdio', 'HTTP'] as const).flatMap((transport) =>
  eras.map((era) => ({ transport, era })),
);

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
export async function connectStdio(env: Record<string, string>, era: Era): Promise<McpClient> {
  const { PATH = '', HOME = '' } = process.env;
  const transport = new StdioClientTransport({
    command: process.execPath,
    args: [binPath, 'mcp'],
    env: { PATH, HOME, ...env },
    stderr: 'pipe',
  });
  let log = '';
  transport.stderr?.on('data', (piece: Buffer) => (log += piece.toString()));
  return connect(transport, era, { log: () => log, pid: () => transport.pid ?? undefined });
}

export async function connectHttp(url: string, era: Era, headers: Record<string, string> = {}): Promise<McpClient> {
  const transport = new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } });
  return connect(transport, era, { log: () => '', pid: () => undefined });
}

async function connect(
  transport: Transport,
  era: Era,
  { log, pid }: { log: () => string; pid: () => number | undefined },
): Promise<McpClient> {
  const received: string[] = [];
  const mode = era === '2026-07-28' ? { pin: era } : 'legacy';
  const client = new Client({ name: 'e2e', version: '1.0.0' }, { versionNegotiation: { mode } });
  await client.connect(recordTo(received, transport));
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
      const result = await client.callTool(
        { name, arguments: args },
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
      };
    },
    close: () => client.close(),
  };
}

/** The transport, with a copy of each message that comes in; the client sets its handlers on it as on any other. */
function recordTo(received: string[], transport: Transport): Transport {
  return new Proxy(transport, {
    get(target, key) {
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
