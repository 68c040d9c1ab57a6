import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { availableParallelism, constants, setPriority } from 'node:os';

/** Ends by itself, should nobody live to end it. */
const spin = 'for (const end = Date.now() + 120_000; Date.now() < end; );';

/**
 * Runs `work` on cores that do not fall asleep: as many processes as there are cores count at the lowest priority, so that they give
 * way to everything else. A virtual machine takes long to wake a core up, and a call wakes a process a dozen times, one after the other.
 */
export async function keepAwake<T>(work: () => Promise<T>): Promise<T> {
  const children = Array.from({ length: availableParallelism() }, () =>
    spawn(process.execPath, ['-e', spin], { stdio: 'ignore' }),
  );
  try {
    await Promise.all(children.map((child) => once(child, 'spawn')));
    for (const { pid } of children) if (pid !== undefined) setPriority(pid, constants.priority.PRIORITY_LOW);
    return await work();
  } finally {
    await Promise.all(children.map(end));
  }
}

async function end(child: ChildProcess): Promise<void> {
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
}
