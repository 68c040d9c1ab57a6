import { fileURLToPath } from 'node:url';
import { openBareQueue } from './bare-queue.ts';
import { type McpBench, openHttp, openStdio } from './mcp.ts';
import { awaitMessage, endProcess, startScript } from './processes.ts';

/** The same way with nothing of ours on it: the MCP SDK's server, bare BullMQ, the vendor's SDK. */
export interface Bare {
  /** A job that asks nobody, and its reply. */
  job: () => Promise<void>;
  openStdio(): Promise<McpBench>;
  openHttp(): Promise<McpBench>;
  close(): Promise<void>;
}

const frontScript = fileURLToPath(new URL('bare-front-main.ts', import.meta.url));

/** Starts its worker. `env` says where the vendor is. */
export async function openBare(socket: string, env: Record<string, string>): Promise<Bare> {
  const worker = startScript('bench/src/bare-worker-main.ts', [socket], env);
  await awaitMessage(worker, (message) => (message === 'ready' ? true : undefined));
  const queue = openBareQueue(socket, 'bare');
  return {
    job: async () => void (await queue.ask()),
    openStdio: () => openStdio([frontScript, socket], {}),
    openHttp: () => openHttp([frontScript, socket, '--http'], {}),
    async close() {
      await queue.close();
      await endProcess(worker);
    },
  };
}
