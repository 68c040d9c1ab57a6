import { setTimeout as delay } from 'node:timers/promises';
import Sqlite from 'better-sqlite3';
import type { FaultStack } from '../support/fault-stack.ts';
import type { OwnProcess } from '../support/processes.ts';
import type { TcpProxy } from '../support/tcp-proxy.ts';

type Random = { between(low: number, high: number): number };

export interface MischiefTargets {
  stack: FaultStack;
  random: Random;
  /** Those that may die, and how a next one comes. */
  mortal: { worker: () => OwnProcess; front: () => OwnProcess };
  replace: { worker(): Promise<void>; front(): Promise<void> };
  /** Those that live on, so that what grows in them is seen; they may be stopped for a while. */
  steady: readonly OwnProcess[];
  /** Before PostgreSQL; absent with SQLite. */
  proxy: TcpProxy | undefined;
}

/** Each leaves everything as it found it, but for what died. */
export type Mischief = Record<string, () => Promise<void>>;

export function createMischief({ stack, random, mortal, replace, steady, proxy }: MischiefTargets): Mischief {
  const pause = (low: number, high: number) => delay(random.between(low, high));
  const stop = async (own: OwnProcess, low: number, high: number) => {
    own.signal('SIGSTOP');
    await pause(low, high);
    own.signal('SIGCONT');
  };
  return {
    'worker kill -9': async () => {
      await mortal.worker().end('SIGKILL');
      await pause(0, 2_000);
      await replace.worker();
    },
    'worker restart': async () => {
      await mortal.worker().end('SIGTERM');
      await replace.worker();
    },
    'front kill -9': async () => {
      await mortal.front().end('SIGKILL');
      await replace.front();
    },
    'process stopped': () => stop(steady[Math.floor(random.between(0, steady.length))] ?? mortal.worker(), 500, 3_000),
    'worker stopped past its lock': () => stop(mortal.worker(), 6_000, 8_000),
    'Redis kill -9': async () => {
      await stack.redis.kill();
      await pause(0, 2_000);
      await stack.redis.start();
    },
    'Redis stopped': async () => {
      stack.redis.pause();
      await pause(300, 3_000);
      stack.redis.resume();
    },
    'database away': async () => {
      if (proxy !== undefined) {
        await proxy.cut();
        await pause(500, 7_000);
        await proxy.restore();
        return;
      }
      const lock = new Sqlite(stack.databaseUrl.slice('file:'.length), { timeout: 500 });
      try {
        lock.exec('BEGIN EXCLUSIVE');
        await pause(500, 7_000);
        lock.exec('ROLLBACK');
      } catch (error) {
        // A worker wrote all the while: nothing was locked this time.
        if (!(error instanceof Error && error.message.includes('locked'))) throw error;
      } finally {
        lock.close();
      }
    },
  };
}
