import { existsSync } from 'node:fs';
import { findStack, startPatienceMs, toStackPaths } from '@aimm/local-stack';
import type { Command } from 'commander';
import { print, printJson } from '../output.ts';
import { openCommandEnvironment } from '../session.ts';
import { openRedisProbe } from '../stack/redis-commands.ts';
import { acquireStackLock } from '../stack/stack-lock.ts';

export function addDownCommand(program: Command): void {
  program
    .command('down')
    .description('Stop the local stack; running calls may finish first')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExamples:\n  $ aimm down\n  $ AIMM_DATA_DIR=/srv/aimm aimm down --json\n')
    .action(stopStack);
}

interface Stopped {
  dataDir: string;
  /** `redis`: the server that a killed stack had left. */
  stopped: 'stack' | 'redis' | 'nothing';
  pid?: number;
}

async function stopStack({ json }: { json?: boolean }): Promise<void> {
  const { env } = await openCommandEnvironment();
  const outcome = await stop(env.dataDir);
  if (json === true) printJson(outcome);
  else print(describe(outcome));
}

async function stop(dataDir: string): Promise<Stopped> {
  // One that is still starting is waited for.
  const stack = await findStack(dataDir, startPatienceMs);
  if (stack !== undefined) {
    const { pid } = stack.info;
    await stack.stop();
    return { dataDir, stopped: 'stack', pid };
  }
  const paths = toStackPaths(dataDir);
  if (!existsSync(paths.lockFile)) return { dataDir, stopped: 'nothing' };
  const lock = acquireStackLock(paths.lockFile);
  if (lock === undefined) throw new Error(`A stack is starting or stopping in ${dataDir}. Try again in a moment.`);
  // A stack that was killed leaves its Redis behind for the next one to adopt.
  const redis = await openRedisProbe(paths.redisSocket);
  const left = typeof redis === 'object';
  if (left) await redis.shutdown();
  lock.release();
  return { dataDir, stopped: left ? 'redis' : 'nothing' };
}

function describe({ dataDir, stopped, pid }: Stopped): string {
  switch (stopped) {
    case 'stack':
      return `Stopped the stack of ${dataDir} (process ${pid}).`;
    case 'redis':
      return `Stopped the Redis server that a killed stack had left in ${dataDir}.`;
    case 'nothing':
      return `No stack is running in ${dataDir}.`;
  }
}
