import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { ModelManagerError } from '@aimm/contracts';
import { acquireStackLock, type StackLock } from './stack/stack-lock.ts';

const patienceMs = 10_000;
const lookEveryMs = 50;

/** Held by whoever writes what is encrypted under the key file, or replaces that; undefined while another holds it. */
export function acquireKeysLock(dataDir: string): StackLock | undefined {
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  return acquireStackLock(join(dataDir, 'keys.lock'));
}

/** @throws ModelManagerError `unavailable` where another holds it for long */
export async function waitForKeysLock(dataDir: string): Promise<StackLock> {
  const until = performance.now() + patienceMs;
  for (;;) {
    const lock = acquireKeysLock(dataDir);
    if (lock !== undefined) return lock;
    if (performance.now() > until) {
      throw new ModelManagerError('unavailable', 'Another `aimm keys` command is changing the stored keys.', {
        hint: 'Run this one again when that has ended.',
      });
    }
    await delay(lookEveryMs);
  }
}
