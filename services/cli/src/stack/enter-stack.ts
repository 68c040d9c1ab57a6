import { setTimeout as delay } from 'node:timers/promises';
import { ensureStackDirectories, findStack, type FoundStack, type StackPaths } from '@aimm/local-stack';
import { acquireStackLock, type StackLock } from './stack-lock.ts';

const patienceMs = 60_000;

/**
 * Becomes the stack of a data directory, or finds the one that is. One that is just leaving is waited for.
 * @throws Error when somebody holds the lock and never answers
 */
export async function enterStack(
  paths: StackPaths,
): Promise<{ lock: StackLock; running?: never } | { lock?: never; running: FoundStack }> {
  // What this process and its children write is the user's alone.
  process.umask(0o077);
  ensureStackDirectories(paths);
  const deadlineAt = Date.now() + patienceMs;
  while (Date.now() < deadlineAt) {
    const lock = acquireStackLock(paths.lockFile);
    if (lock !== undefined) return { lock };
    const running = await findStack(paths.dataDir, 15_000);
    if (running !== undefined) return { running };
    await delay(50);
  }
  throw new Error(
    `Another process holds ${paths.lockFile} but does not answer. End the process \`aimm stack\` or \`aimm up\`, or choose another AIMM_DATA_DIR.`,
  );
}
