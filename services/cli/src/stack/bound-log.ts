import { copyFileSync, fstatSync, ftruncateSync, statSync } from 'node:fs';
import type { Logger } from '@aimm/runtime';

const limitBytes = 10 * 1024 * 1024;
const lookEveryMs = 30_000;
const stderr = 2;

/**
 * Keeps a background stack's log bounded: past 10 MB it is copied to `<path>.1` and emptied, and only emptied where it cannot
 * be copied: on a full disk the stack must go on. All children write to the same open file in append mode, so they go on
 * writing at its new start. `descriptor`: where it is open.
 */
export function boundLog(path: string, logger: Pick<Logger, 'warn'>, descriptor = stderr): { close(): void } {
  let failed = false;
  const check = () => {
    const { size, ino } = fstatSync(descriptor);
    if (size < limitBytes) return;
    let failure: unknown;
    try {
      // Who launched another stack in vain may have put this one aside already.
      if (statSync(path).ino === ino) copyFileSync(path, `${path}.1`);
    } catch (error) {
      failure = error;
    }
    ftruncateSync(descriptor, 0);
    if (failure !== undefined && !failed)
      logger.warn({ err: failure }, 'The log could not be put aside: it begins anew');
    failed = failure !== undefined;
  };
  const timer = setInterval(check, lookEveryMs).unref();
  return { close: () => clearInterval(timer) };
}
