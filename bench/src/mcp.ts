import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { aimm, awaitMessage, endProcess, startScript } from './processes.ts';

export interface McpBench {
  once: () => Promise<void>;
  /** A tool call that is refused before it reaches the queue. */
  nothing: () => Promise<void>;
  close: () => Promise<void>;
}

const info = { name: 'bench', version: '1' };

async function generate(client: Client): Promise<void> {
  const answer = await client.callTool({
    name: 'generate',
    arguments: { prompt: 'Say something short.', model: 'openai/gpt-5-mini' },
  });
  if (answer.isError === true) throw new Error(JSON.stringify(answer.content));
}

async function askNothing(client: Client): Promise<void> {
  const answer = await client.callTool({ name: 'get_job', arguments: { job_id: 'none' } });
  if (answer.isError !== true) throw new Error('a job of no id was found');
}

async function connectStdio(env: Record<string, string>): Promise<Client> {
  const { PATH = '', HOME = '' } = process.env;
  const client = new Client(info, { versionNegotiation: { mode: 'auto' } });
  await client.connect(
    new StdioClientTransport({
      command: process.execPath,
      args: [aimm, 'mcp'],
      env: { PATH, HOME, ...env },
      stderr: 'inherit',
    }),
  );
  return client;
}

export async function openStdio(env: Record<string, string>): Promise<McpBench> {
  const client = await connectStdio(env);
  return { once: () => generate(client), nothing: () => askNothing(client), close: () => client.close() };
}

export async function openHttp(env: Record<string, string>): Promise<McpBench> {
  const front = startScript(aimm, ['mcp', '--http'], { ...env, HTTP_PORT: '0' });
  const url = await awaitMessage(front, (message) => (message as { url?: string }).url);
  const client = new Client(info, { versionNegotiation: { mode: 'auto' } });
  await client.connect(new StreamableHTTPClientTransport(new URL(url)));
  return {
    once: () => generate(client),
    nothing: () => askNothing(client),
    async close() {
      await client.close();
      await endProcess(front);
    },
  };
}

/** Milliseconds from starting `aimm mcp` to its first `tools/list` answer, in the order measured. */
export async function measureStart(env: Record<string, string>, times: number): Promise<number[]> {
  const took: number[] = [];
  for (let index = 0; index < times; index += 1) {
    const startedAt = performance.now();
    const client = await connectStdio(env);
    await client.listTools();
    took.push(performance.now() - startedAt);
    await client.close();
  }
  return took;
}
