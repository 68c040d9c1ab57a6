import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { aimm, awaitMessage, endProcess, startScript } from './processes.ts';

export interface McpBench {
  once: () => Promise<void>;
  /** A tool call that is refused before it reaches the queue. */
  nothing: () => Promise<void>;
  close: () => Promise<void>;
}

/** How `aimm mcp` is started. */
export const front = { stdio: [aimm, 'mcp'], http: [aimm, 'mcp', '--http'] };

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

export async function connectStdio(
  args: string[],
  env: Record<string, string>,
  command = process.execPath,
): Promise<Client> {
  const { PATH = '', HOME = '' } = process.env;
  const client = new Client(info, { versionNegotiation: { mode: 'auto' } });
  await client.connect(new StdioClientTransport({ command, args, env: { PATH, HOME, ...env }, stderr: 'inherit' }));
  return client;
}

/** A real client of a server that is started by it: its script and arguments. */
export async function openStdio(args: string[], env: Record<string, string>): Promise<McpBench> {
  const client = await connectStdio(args, env);
  return { once: () => generate(client), nothing: () => askNothing(client), close: () => client.close() };
}

/** A real client of a server that listens at the address which it tells. */
export async function openHttp([script = '', ...args]: string[], env: Record<string, string>): Promise<McpBench> {
  const front = startScript(script, args, { ...env, HTTP_PORT: '0' });
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
