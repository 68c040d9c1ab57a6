import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { spawn } from 'node:child_process';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { awaitMessage, endProcess, startRedis, startScript } from './processes.ts';
const dir = await mkdtemp(join(tmpdir(), 'aimm-prof-'));
const upstream = startScript('bench/src/upstream-main.ts', [], {});
const port = await awaitMessage(upstream, (m) => (m as { port?: number }).port);
const redis = await startRedis(dir);
const env = {
  REDIS_URL: redis.url,
  DATABASE_URL: `file:${join(dir, 'aimm.db')}`,
  AIMM_DATA_DIR: dir,
  OPENAI_API_KEY: 'bench-key-0123456789',
  OPENAI_BASE_URL: `http://127.0.0.1:${port}/v1`,
  OPENAI_CONCURRENCY: '100',
  OPENAI_RPM: '100000000',
  OPENAI_TPM: '100000000000',
  LOG_LEVEL: 'warn',
};
const prof = process.argv[2] === 'prof' ? ['--cpu-prof', '--cpu-prof-interval=200', '--cpu-prof-dir=/tmp/prof'] : [];
const go = (main: string, args: string[], e: Record<string, string>) =>
  spawn(process.execPath, [...prof, main, ...args], {
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'], ...e },
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
const worker = go('services/worker/src/main.ts', [], env);
worker.send({ type: 'environment', environment: {} });
await awaitMessage(worker, (m) => ((m as { type?: string }).type === 'ready' ? true : undefined));
const { OPENAI_API_KEY: _k, ...frontEnv } = env;
const front = go('services/mcp/src/main.ts', ['--http'], { ...frontEnv, HTTP_PORT: '0' });
const url = await awaitMessage(front, (m) => (m as { url?: string }).url);
const client = new Client({ name: 'bench', version: '1' }, { versionNegotiation: { mode: 'auto' } });
await client.connect(new StreamableHTTPClientTransport(new URL(url)));
const once = async () => {
  await client.callTool({
    name: 'generate',
    arguments: { prompt: 'Say something short.', model: 'openai/gpt-5-mini' },
  });
};
for (let i = 0; i < 40; i += 1) await Promise.all(Array.from({ length: 50 }, once));
const cpu = () => Promise.resolve();
await cpu();
const t: number[] = [];
for (let i = 0; i < 3000; i += 1) {
  const a = performance.now();
  await once();
  t.push(performance.now() - a);
}
t.sort((a, b) => a - b);
console.log('p50', t[1500]?.toFixed(2), 'p10', t[300]?.toFixed(2), 'p90', t[2700]?.toFixed(2));
await client.close();
await endProcess(front);
await endProcess(worker);
await endProcess(redis.child);
await endProcess(upstream);
await rm(dir, { recursive: true, force: true });
process.exit(0);
