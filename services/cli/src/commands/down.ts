import { existsSync } from 'node:fs';
import { findStack, toStackPaths } from '@aimm/local-stack';
import type { Command } from 'commander';
import { print } from '../output.ts';
import { openCommandEnvironment } from '../session.ts';
import { openRedisProbe } from '../stack/redis-commands.ts';
import { acquireStackLock } from '../stack/stack-lock.ts';

export function addDownCommand(program: Command): void {
  program
    .command('down')
    .description('Stop the local stack; running calls may finish first')
    .addHelpText('after', '\nExample:\n  $ aimm down\n')
    .action(stopStack);
}

async function stopStack(): Promise<void> {
  const { env } = await openCommandEnvironment();
  // One that is still starting is waited for.
  const stack = await findStack(env.dataDir, 25_000);
  if (stack !== undefined) {
    const { pid } = stack.info;
    await stack.stop();
    print(`Stopped the stack of ${env.dataDir} (process ${pid}).`);
    return;
  }
  const paths = toStackPaths(env.dataDir);
  if (!existsSync(paths.lockFile)) return print(`No stack is running in ${env.dataDir}.`);
  const lock = acquireStackLock(paths.lockFile);
  if (lock === undefined) throw new Error(`A stack is starting or stopping in ${env.dataDir}. Try again in a moment.`);
  // A stack that was killed leaves its Redis behind for the next one to adopt.
  const redis = await openRedisProbe(paths.redisSocket);
  const left = typeof redis === 'object';
  if (left) await redis.shutdown();
  lock.release();
  print(
    left
      ? `Stopped the Redis server that a killed stack had left in ${env.dataDir}.`
      : `No stack is running in ${env.dataDir}.`,
  );
}
