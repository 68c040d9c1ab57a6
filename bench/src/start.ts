import { execFile } from 'node:child_process';
import { delimiter } from 'node:path';
import { promisify } from 'node:util';
import { percentile } from './load.ts';
import { connectStdio, front } from './mcp.ts';
import { aimm } from './processes.ts';

const run = promisify(execFile);

export interface Starts {
  /** Such as `v24.21.0`. */
  node: string;
  /** Milliseconds from starting `aimm mcp` to its first `tools/list` answer, least first. */
  took: readonly number[];
}

/** `aimm mcp` beside a local stack that runs, started with this Node and with the one that clients find on PATH. */
export async function measureStarts(dataDir: string, times: number): Promise<Starts[]> {
  const { PATH = '', HOME = '' } = process.env;
  // npm puts the checkout's own Node before the one that clients find.
  const folders = PATH.split(delimiter).filter((folder) => !folder.includes('node_modules'));
  const env = { PATH: folders.join(delimiter), HOME, AIMM_DATA_DIR: dataDir, AIMM_DEMO: 'on', LOG_LEVEL: 'warn' };
  const { stdout: onPath } = await run('node', ['--version'], { env });
  // The first client starts the stack, and is answered once it runs.
  const first = await connectStdio(front.stdio, env);
  try {
    await first.callTool({ name: 'check_health', arguments: {} });
    return [
      { node: process.version, took: await measure(process.execPath, env, times) },
      { node: onPath.trim(), took: await measure('node', env, times) },
    ];
  } finally {
    await first.close();
    await run(process.execPath, [aimm, 'down'], { env });
  }
}

async function measure(command: string, env: Record<string, string>, times: number): Promise<number[]> {
  const took: number[] = [];
  for (let index = 0; index < times; index += 1) {
    const startedAt = performance.now();
    const client = await connectStdio(front.stdio, env, command);
    await client.listTools();
    took.push(performance.now() - startedAt);
    await client.close();
  }
  return took.toSorted((a, b) => a - b);
}

export function formatStarts(starts: readonly Starts[]): string {
  return starts
    .map(
      ({ node, took }) =>
        `  start to tools/list, by Node ${node}: p50 ${percentile(took, 0.5).toFixed(0)} ms, slowest of ${took.length} ${(took.at(-1) ?? 0).toFixed(0)} ms (to reach: 1000)`,
    )
    .join('\n');
}
